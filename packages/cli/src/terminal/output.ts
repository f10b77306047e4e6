/**
 * Where commands write: results to standard output, everything else to standard error. Colours are for terminals only,
 * and for none when NO_COLOR is set.
 */
import picocolors from 'picocolors';

export type Colors = ReturnType<typeof picocolors.createColors>;

export interface Output {
  /** A result, one or several lines. */
  print(text: string): void;
  /** For the person who waits: progress, errors. */
  note(text: string): void;
  readonly colors: Colors;
  /** Of standard error. */
  readonly noteColors: Colors;
  readonly env: NodeJS.ProcessEnv;
}

export function processOutput(): Output {
  const allowed = picocolors.isColorSupported;
  return {
    print: (text) => process.stdout.write(`${text}\n`),
    note: (text) => process.stderr.write(`${text}\n`),
    colors: picocolors.createColors(allowed && process.stdout.isTTY),
    noteColors: picocolors.createColors(allowed && process.stderr.isTTY),
    env: process.env,
  };
}
