/** What a simulation fails with: a property of the system that did not hold. */
export class Violation extends Error {
  override readonly name = 'Violation';

  /** `property`: the checker's name, by which failures are counted and reproduced. */
  constructor(
    readonly property: string,
    detail: string,
    options?: ErrorOptions,
  ) {
    super(`${property}: ${detail}`, options);
  }
}

/** Values and keys in messages: bytes as text where they are short text, maps and bigints readable. */
export function show(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === 'bigint') return `${part}n`;
    if (part instanceof Error) return `${part.name}: ${part.message}`;
    if (part instanceof Map) return Object.fromEntries(part);
    if (part instanceof Set) return [...part];
    if (part instanceof Uint8Array) return `0x${hexOf(part, 48)}`;
    return part;
  });
}

function hexOf(bytes: Uint8Array, bytesMax: number): string {
  const text = Array.from(bytes.subarray(0, bytesMax), (byte) => byte.toString(16).padStart(2, '0')).join('');
  return bytes.length > bytesMax ? `${text}… (${bytes.length} bytes)` : text;
}
