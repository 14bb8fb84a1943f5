//! The picture of a label: a QR code of version 5 with level H in byte mode, the case string under it.
//!
//! The code is made by one library and read by another, so that a shared misreading cannot hide.
//! Source: aSSURE 6.2.4, 6.2.5; rulings A-ASSURE-14, A-ASSURE-16; layout 2.1; ADR 0075.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use assure_proto::{CASE_STRING_LENGTH, Label};
use osap_things::SmartLabel;
use png::{BitDepth, ColorType, Decoder, Encoder, Limits, Transformations};
use qrcode::bits::Bits;
use qrcode::{Color, EcLevel, QrCode, Version};
use zeroize::Zeroizing;

use crate::failure::{Failure, Outcome};

/// Modules along one side of the code.
/// Source: ruling A-ASSURE-16: version 5 has 37.
const MODULES: usize = 37;
/// Light modules around the code.
/// Source: ISO/IEC 18004, quiet zone.
const QUIET: usize = 4;
/// Picture points along one side of a module.
const SCALE: usize = 8;
/// Picture points along one side of a point of the printed string.
const GLYPH_SCALE: usize = 3;
/// Columns a glyph takes with the gap behind it, in points of the string.
const GLYPH_STEP: usize = 6;
const GLYPH_HEIGHT: usize = 7;
const GLYPH_COLUMNS: usize = 5;
/// Characters on one line under the code.
const LINE_LENGTH: usize = CASE_STRING_LENGTH / 2;
const WIDTH: usize = (MODULES + 2 * QUIET) * SCALE;
const LINE_HEIGHT: usize = (GLYPH_HEIGHT + 3) * GLYPH_SCALE;
const HEIGHT: usize = WIDTH + 2 * LINE_HEIGHT + SCALE;

/// A picture with more points than a telephone's camera makes is not read.
const PICTURE_POINTS_MAX: usize = 64 * 1024 * 1024;
/// Pictures longer than this are not read, in bytes.
const FILE_LENGTH_MAX: u64 = 64 * 1024 * 1024;

const DARK: u8 = 0;
const LIGHT: u8 = 255;

/// The glyphs of the hexadecimal digits: seven rows of five points, the leftmost in bit 4.
const GLYPHS: [[u8; GLYPH_HEIGHT]; 16] = [
    [0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110],
    [0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
    [0b01110, 0b10001, 0b00001, 0b00110, 0b01000, 0b10000, 0b11111],
    [0b11111, 0b00010, 0b00100, 0b00010, 0b00001, 0b10001, 0b01110],
    [0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010],
    [0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110],
    [0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110],
    [0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000],
    [0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110],
    [0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100],
    [0b00000, 0b00000, 0b01110, 0b00001, 0b01111, 0b10001, 0b01111],
    [0b10000, 0b10000, 0b10110, 0b11001, 0b10001, 0b10001, 0b11110],
    [0b00000, 0b00000, 0b01110, 0b10000, 0b10000, 0b10001, 0b01110],
    [0b00001, 0b00001, 0b01101, 0b10011, 0b10001, 0b10001, 0b01111],
    [0b00000, 0b00000, 0b01110, 0b10001, 0b11111, 0b10000, 0b01110],
    [0b00110, 0b01001, 0b01000, 0b11100, 0b01000, 0b01000, 0b01000],
];

/// Draws the label as a PNG of one grey channel. Whoever sees it can claim the device.
pub(crate) fn draw(label: &Label) -> Outcome<Zeroizing<Vec<u8>>> {
    let modules = modules(label)?;
    let mut points = Zeroizing::new(vec![LIGHT; WIDTH * HEIGHT]);
    for (at, color) in modules.iter().enumerate() {
        if *color == Color::Dark {
            let (x, y) = ((at % MODULES + QUIET) * SCALE, (at / MODULES + QUIET) * SCALE);
            darken(&mut points, x, y, SCALE);
        }
    }
    let case_string = label.case_id.case_string();
    for (at, digit) in case_string.chars().enumerate() {
        let width = LINE_LENGTH * GLYPH_STEP * GLYPH_SCALE;
        let x = (WIDTH - width) / 2 + at % LINE_LENGTH * GLYPH_STEP * GLYPH_SCALE;
        let y = WIDTH + at / LINE_LENGTH * LINE_HEIGHT;
        draw_digit(&mut points, digit, x, y);
    }
    encode_png(&points).map_err(|error| Failure::new("internal", "the picture of a label").because(error))
}

/// One segment in byte mode: the library's own choice would mix modes where the bytes look like digits.
fn modules(label: &Label) -> Outcome<Vec<Color>> {
    let version = Version::Normal(5);
    let code = || {
        let mut bits = Bits::new(version);
        bits.push_byte_data(&*label.encode())?;
        bits.push_terminator(EcLevel::H)?;
        QrCode::with_bits(bits, EcLevel::H)
    };
    let code = code().map_err(|error| Failure::new("internal", "the code of a label").because(error))?;
    assert_eq!(code.width(), MODULES, "version 5 was asked for");
    Ok(code.into_colors())
}

fn draw_digit(points: &mut [u8], digit: char, x: usize, y: usize) {
    let value = digit.to_digit(16).expect("a case string has hexadecimal digits alone");
    for (row, bits) in GLYPHS[value as usize].iter().enumerate() {
        for column in (0..GLYPH_COLUMNS).filter(|column| bits >> (GLYPH_COLUMNS - 1 - column) & 1 == 1) {
            darken(points, x + column * GLYPH_SCALE, y + row * GLYPH_SCALE, GLYPH_SCALE);
        }
    }
}

fn darken(points: &mut [u8], x: usize, y: usize, size: usize) {
    for row in y..y + size {
        points[row * WIDTH + x..][..size].fill(DARK);
    }
}

fn encode_png(points: &[u8]) -> Result<Zeroizing<Vec<u8>>, png::EncodingError> {
    let mut out = Zeroizing::new(Vec::new());
    let side = |length: usize| u32::try_from(length).expect("a label is some hundred points wide");
    let mut encoder = Encoder::new(&mut *out, side(WIDTH), side(HEIGHT));
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(points)?;
    writer.finish()?;
    Ok(out)
}

/// Reads the label in a picture: a PNG that holds one QR code with the 36 bytes of a label.
///
/// # Errors
/// `label-unreadable` says why; `file-unreadable` when there is no such file.
pub(crate) fn read(path: &Path) -> Outcome<Label> {
    read_as(path, |bytes| Label::decode(bytes).map_err(|error| error.to_string()))
}

/// Reads the label of a smart device in a picture: a PNG that holds one QR code with its text.
///
/// # Errors
/// `label-unreadable` says why; `file-unreadable` when there is no such file.
pub(crate) fn read_smart(path: &Path) -> Outcome<SmartLabel> {
    read_as(path, |bytes| {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        SmartLabel::parse(text).map_err(|error| error.to_string())
    })
}

fn read_as<T>(path: &Path, decode: impl Fn(&[u8]) -> Result<T, String>) -> Outcome<T> {
    let unreadable = |why: String| Failure::new("label-unreadable", path.display().to_string()).because(why);
    let file = File::open(path)
        .map_err(|error| Failure::new("file-unreadable", path.display().to_string()).because(error))?;
    let length = file.metadata().map(|metadata| metadata.len()).unwrap_or_default();
    if length > FILE_LENGTH_MAX {
        return Err(unreadable("the picture is too large".into()));
    }
    let grey = decode_png(file).map_err(unreadable)?;
    let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(grey.width, grey.height, |x, y| {
        grey.points[y * grey.width + x]
    });
    let mut why = "there is no QR code in it".to_owned();
    for grid in prepared.detect_grids() {
        let mut bytes = Zeroizing::new(Vec::new());
        match grid.decode_to(&mut *bytes) {
            Ok(_) => match decode(&bytes) {
                Ok(label) => return Ok(label),
                Err(error) => why = format!("its QR code is no label: {error}"),
            },
            Err(error) => why = format!("its QR code cannot be read: {error}"),
        }
    }
    Err(unreadable(why))
}

struct Grey {
    width: usize,
    height: usize,
    points: Zeroizing<Vec<u8>>,
}

fn decode_png(file: File) -> Result<Grey, String> {
    let refused = |error: png::DecodingError| format!("it is no PNG that can be read: {error}");
    let limits = Limits { bytes: 4 * PICTURE_POINTS_MAX };
    let mut decoder = Decoder::new_with_limits(BufReader::new(file), limits);
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(refused)?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    if width.checked_mul(height).is_none_or(|points| points > PICTURE_POINTS_MAX) {
        return Err("the picture is too large".into());
    }
    let size = reader.output_buffer_size().ok_or("the picture is too large")?;
    let mut samples = Zeroizing::new(vec![0; size]);
    let frame = reader.next_frame(&mut samples).map_err(refused)?;
    let samples = &samples[..frame.buffer_size()];
    let points: Vec<u8> = match frame.color_type {
        ColorType::Grayscale => samples.to_vec(),
        ColorType::GrayscaleAlpha => samples.chunks_exact(2).map(|p| over_white(p[0], p[1])).collect(),
        ColorType::Rgb => samples.chunks_exact(3).map(|p| luminance(p[0], p[1], p[2])).collect(),
        ColorType::Rgba => {
            samples.chunks_exact(4).map(|p| over_white(luminance(p[0], p[1], p[2]), p[3])).collect()
        }
        ColorType::Indexed => return Err("its palette was not resolved".into()),
    };
    Ok(Grey { width, height, points: Zeroizing::new(points) })
}

/// Source: ITU-R BT.601, in sixteenths.
fn luminance(red: u8, green: u8, blue: u8) -> u8 {
    let sum = 5 * u16::from(red) + 9 * u16::from(green) + 2 * u16::from(blue);
    u8::try_from(sum / 16).expect("weights add up to sixteen")
}

fn over_white(grey: u8, alpha: u8) -> u8 {
    let mixed = (u16::from(grey) * u16::from(alpha) + u16::from(LIGHT) * (255 - u16::from(alpha))) / 255;
    u8::try_from(mixed).expect("a mixture lies between its parts")
}

#[cfg(test)]
mod tests;
