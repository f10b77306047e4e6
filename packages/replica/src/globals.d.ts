// Harmless globals that every host has; everything else must be injected.
declare class TextEncoder {
  encode(input?: string): Uint8Array;
}
declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(input?: Uint8Array): string;
}
/** Of Node, and of bytes alone: what else turns bytes into a text and back takes several times as long. */
declare class Buffer extends Uint8Array {
  static from(text: string, encoding: 'latin1'): Buffer;
  static from(memory: ArrayBufferLike, byteOffset: number, length: number): Buffer;
  toString(encoding: 'latin1'): string;
}
