/**
 * The few globals of every JavaScript host that this package uses. Types of Node or of browsers stay out, so that
 * nothing here can name a socket, a timer or a file.
 */

declare class TextEncoder {
  encode(text: string): Uint8Array;
  encodeInto(text: string, into: Uint8Array): { readonly read: number; readonly written: number };
}

declare class TextDecoder {
  constructor(label: 'utf-8', options: { readonly fatal: boolean; readonly ignoreBOM: boolean });
  decode(bytes: Uint8Array): string;
}
