/**
 * Random and mutated bytes for tests of decoders: what a decoder is given must end in a value or in an error that it
 * documents, whatever the bytes are. One seed (damaged.ts) gives one sequence.
 */
import { CausewayError } from '../errors.js';

/** Bytes with which MessagePack says what follows: hitting them is likelier to mislead a decoder. */
const TELLING = '00017f808f909fa0bfc0c1c4c6c7c9cacbcccfd0d3d4d6d7d8d9dbdcdddedfe0ff'
  .match(/../g)!
  .map((hex) => Number.parseInt(hex, 16));

export function randomBytes(random: () => number, lengthMax: number): Uint8Array {
  const bytes = new Uint8Array(Math.floor(random() * (lengthMax + 1)));
  for (let i = 0; i < bytes.length; i++) bytes[i] = randomByte(random);
  return bytes;
}

/** `bytes` cut short, or with one to three bytes changed, taken out or put in. */
export function mutate(bytes: Uint8Array, random: () => number): Uint8Array {
  if (random() < 0.1) return bytes.slice(0, Math.floor(random() * bytes.length));
  const mutated = [...bytes];
  for (let count = 1 + Math.floor(random() * 3); count > 0; count--) {
    const at = Math.floor(random() * (mutated.length + 1));
    const kind = random();
    if (kind < 0.6) mutated.splice(at, 1, randomByte(random));
    else if (kind < 0.8) mutated.splice(at, 1);
    else mutated.splice(at, 0, randomByte(random));
  }
  return Uint8Array.from(mutated);
}

/** Code of the CausewayError that `decode` threw, undefined if it returned. Any other error goes on. */
export function codeOf(decode: () => unknown): string | undefined {
  try {
    decode();
    return undefined;
  } catch (error) {
    if (error instanceof CausewayError) return error.code;
    throw error;
  }
}

function randomByte(random: () => number): number {
  return random() < 0.5 ? TELLING[Math.floor(random() * TELLING.length)]! : Math.floor(random() * 256);
}
