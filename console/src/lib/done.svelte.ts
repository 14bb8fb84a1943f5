// Short words about what was done. Never errors: those stay where they happened.

/** What was done last; read out politely, gone after some seconds. */
export const notice = $state<{ text: string }>({ text: '' });

let timer: ReturnType<typeof setTimeout> | undefined;

/** Says that something was done. */
export function done(text: string): void {
  notice.text = text;
  clearTimeout(timer);
  timer = setTimeout(() => (notice.text = ''), 6000);
}
