/**
 * Golden bytes: what each version of a format looks like, for good. A file of testdata/ has lines `name hex`; lines
 * that begin with # are comments. A format that changes gets a file of its own, and the old one stays.
 */
import { readFileSync } from 'node:fs';

/** Bytes by name, of a file of testdata/. */
export type Golden = ReadonlyMap<string, Uint8Array>;

export function readGolden(file: string): Golden {
  const text = readFileSync(new URL(`../testdata/${file}`, import.meta.url), 'utf8');
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const [name = '', hex = ''] = line.split(' ');
      return [name, fromHex(hex)];
    }),
  );
}

/** A line of the file. */
export function goldenBytes(golden: Golden, name: string): Uint8Array {
  const bytes = golden.get(name);
  if (bytes === undefined) throw new Error(`no golden bytes are named ${name}`);
  return bytes;
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) =>
    Number.parseInt(hex.slice(i * 2, i * 2 + 2), 16),
  );
}
