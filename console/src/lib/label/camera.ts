// The camera: opened only when asked, stopped at once when not needed. Pictures never leave the page.

/** Why there is no picture. */
export type NoCamera = 'denied' | 'none' | 'busy' | 'not-secure';

/** Which of our words an error of the browser is. */
export function whyNoCamera(error: unknown): NoCamera {
  const name = error instanceof DOMException || error instanceof Error ? error.name : '';
  switch (name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return 'denied';
    case 'NotReadableError':
    case 'AbortError':
      return 'busy';
    default:
      return 'none';
  }
}

/** A running camera. */
export class Camera {
  private constructor(
    private readonly stream: MediaStream,
    private readonly video: HTMLVideoElement,
    private readonly canvas: HTMLCanvasElement,
  ) {}

  /** Asks the browser for the camera at the back, and shows it in `video`. */
  static async open(video: HTMLVideoElement, canvas: HTMLCanvasElement): Promise<Camera | NoCamera> {
    const media = navigator.mediaDevices as MediaDevices | undefined;
    if (media === undefined) return 'not-secure';
    let stream: MediaStream | undefined;
    try {
      stream = await media.getUserMedia({ audio: false, video: { facingMode: { ideal: 'environment' }, width: { ideal: 1280 }, height: { ideal: 960 } } });
      video.srcObject = stream;
      await video.play();
      return new Camera(stream, video, canvas);
    } catch (error) {
      for (const track of stream?.getTracks() ?? []) track.stop();
      return whyNoCamera(error);
    }
  }

  /** The picture now, or null before the first. */
  frame(): ImageData | null {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (width === 0 || height === 0) return null;
    this.canvas.width = width;
    this.canvas.height = height;
    const context = this.canvas.getContext('2d', { willReadFrequently: true });
    if (context === null) return null;
    context.drawImage(this.video, 0, 0);
    return context.getImageData(0, 0, width, height);
  }

  /** Whether it has a lamp. */
  hasTorch(): boolean {
    const track = this.stream.getVideoTracks()[0];
    return track !== undefined && 'torch' in (track.getCapabilities?.() ?? {});
  }

  /** Switches its lamp. */
  async torch(on: boolean): Promise<void> {
    await this.stream.getVideoTracks()[0]?.applyConstraints({ advanced: [{ torch: on } as MediaTrackConstraintSet] });
  }

  /** Ends it: the light at the lens goes out. */
  stop(): void {
    for (const track of this.stream.getTracks()) track.stop();
    this.video.srcObject = null;
  }
}

/** Largest side of a photo that is looked at. */
const PHOTO_SIDE_MAX = 2000;

/** The pixels of a photo, made smaller where it is very large; null when it is no picture. */
export async function photoPixels(file: File): Promise<ImageData | null> {
  try {
    const picture = await createImageBitmap(file);
    const scale = Math.min(1, PHOTO_SIDE_MAX / Math.max(picture.width, picture.height));
    const canvas = document.createElement('canvas');
    canvas.width = Math.max(1, Math.round(picture.width * scale));
    canvas.height = Math.max(1, Math.round(picture.height * scale));
    const context = canvas.getContext('2d');
    if (context === null) return null;
    context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    picture.close();
    return context.getImageData(0, 0, canvas.width, canvas.height);
  } catch {
    return null;
  }
}
