/** Text as a terminal shows it: its width, cut and padded, numbers and times as people read them. */

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters
const ANSI = /\u001b\[[0-9;?]*[A-Za-z]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: so are the others, and they would move the cursor
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;

/** Columns that `text` takes: colours take none. Every character counts as one. */
export function widthOf(text: string): number {
  let width = 0;
  for (const _ of text.replace(ANSI, '')) width++;
  return width;
}

/** `text`, which has no colours, in at most `columns`. */
export function clip(text: string, columns: number): string {
  const characters = [...text.replace(CONTROL, '·')];
  if (characters.length <= columns) return characters.join('');
  return `${characters.slice(0, Math.max(0, columns - 1)).join('')}…`;
}

export function padEnd(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - widthOf(text)));
}

export function padStart(text: string, columns: number): string {
  return ' '.repeat(Math.max(0, columns - widthOf(text))) + text;
}

/** 12,345 */
export function count(value: number | bigint): string {
  return value.toLocaleString('en-US');
}

export function milliseconds(ms: number): string {
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  return ms < 1_000 ? `${Math.round(ms)} ms` : seconds(ms / 1_000);
}

export function seconds(s: number): string {
  if (s < 60) return `${s.toFixed(1)} s`;
  const whole = Math.round(s);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
