/**
 * Digests: 128-bit fingerprints of sets of records, kept up to date by adding and subtracting.
 *
 * Invariants
 * - A digest is the lane-wise sum modulo 2^32 of the hashes of its records: the order of changes does not
 *   matter, and what was added can be taken out again.
 * - A hash depends on the fields that were fed, in order, and on nothing else: not on encodings, not on
 *   the machine. It is stored on disk and compared between machines, so its constants never change.
 * - Variable-length fields are fed with their length; within one seed the sequence of fields is fixed, so
 *   that two different records never feed the same words.
 *
 * No defence against someone who looks for collisions: a digest finds loss and divergence, not forgery.
 *
 * The sum of hashes is AdHash of Bellare and Micciancio: A New Paradigm for Collision-Free Hashing, 1997.
 * The hash follows MurmurHash3_x86_128 (Appleby 2011), one word at a time over four turning lanes.
 */

/** What a hash starts from, one for each kind of record, so that register `a` and counter `a` differ. */
export const REGISTER_SEED = 1;
export const ELEMENT_SEED = 2;
export const COUNTER_SEED = 3;
/** Of a record's key: where it stands in a Merkle tree. */
export const KEY_SEED = 4;

const DIGEST_HEX = /^[0-9a-f]{32}$/;

/** A mutable digest, an element of the group (Z / 2^32)^4. The lanes are int32. */
export class Digest {
  a = 0;
  b = 0;
  c = 0;
  d = 0;

  add(other: Digest): void {
    this.a = (this.a + other.a) | 0;
    this.b = (this.b + other.b) | 0;
    this.c = (this.c + other.c) | 0;
    this.d = (this.d + other.d) | 0;
  }

  subtract(other: Digest): void {
    this.a = (this.a - other.a) | 0;
    this.b = (this.b - other.b) | 0;
    this.c = (this.c - other.c) | 0;
    this.d = (this.d - other.d) | 0;
  }

  set(other: Digest): void {
    this.a = other.a;
    this.b = other.b;
    this.c = other.c;
    this.d = other.d;
  }

  clear(): void {
    this.a = 0;
    this.b = 0;
    this.c = 0;
    this.d = 0;
  }

  equals(other: Digest): boolean {
    return this.a === other.a && this.b === other.b && this.c === other.c && this.d === other.d;
  }

  /** Whether it is the digest of no record at all. */
  isZero(): boolean {
    return (this.a | this.b | this.c | this.d) === 0;
  }

  /** 32 lower-case hex digits. */
  toHex(): string {
    return laneHex(this.a) + laneHex(this.b) + laneHex(this.c) + laneHex(this.d);
  }

  /** Throws RangeError when the text is not what `toHex` writes. */
  static fromHex(text: string): Digest {
    if (!DIGEST_HEX.test(text)) throw new RangeError(`not a digest: ${JSON.stringify(text.slice(0, 64))}`);
    const digest = new Digest();
    digest.a = laneFromHex(text, 0);
    digest.b = laneFromHex(text, 8);
    digest.c = laneFromHex(text, 16);
    digest.d = laneFromHex(text, 24);
    return digest;
  }
}

function laneHex(lane: number): string {
  return (lane >>> 0).toString(16).padStart(8, '0');
}

function laneFromHex(text: string, at: number): number {
  return Number.parseInt(text.slice(at, at + 8), 16) | 0;
}

const SAFE_MAX = BigInt(Number.MAX_SAFE_INTEGER);

/**
 * Hashes one record at a time: `start`, the fields, then `addTo` or `word`. One hasher is used over and
 * over; no call allocates, but for bigints beyond 2^53.
 */
export class Hasher {
  #a = 0;
  #b = 0;
  #c = 0;
  #d = 0;
  #words = 0;

  /** Begins a new hash. The seed is a 32-bit integer. */
  start(seed: number): this {
    this.#a = seed | 0;
    this.#b = seed ^ 0x38b34ae5;
    this.#c = seed ^ 0x7f4a7c15;
    this.#d = seed ^ 0x165667b1;
    this.#words = 0;
    return this;
  }

  /** Feeds an integer from 0 to 2^53-1. */
  uint(n: number): this {
    this.#feed(n | 0);
    this.#feed((n / 2 ** 32) | 0);
    return this;
  }

  /** Feeds an integer from -2^63 to 2^64. */
  big(n: bigint): this {
    const negative = n < 0n;
    const magnitude = negative ? -n : n;
    if (magnitude <= SAFE_MAX) {
      this.#feed(negative ? 1 : 0);
      return this.uint(Number(magnitude));
    }
    this.#feed(negative ? 3 : 2);
    this.#feed(Number(magnitude & 0xffffffffn) | 0);
    this.#feed(Number((magnitude >> 32n) & 0xffffffffn) | 0);
    this.#feed(Number(magnitude >> 64n) | 0);
    return this;
  }

  /** Feeds a text: its length, then its UTF-16 code units, two to a word. */
  text(s: string): this {
    const length = s.length;
    this.#feed(length);
    let i = 0;
    for (; i + 1 < length; i += 2) this.#feed(s.charCodeAt(i) | (s.charCodeAt(i + 1) << 16));
    if (i < length) this.#feed(s.charCodeAt(i));
    return this;
  }

  /** Feeds bytes: their number, then the bytes, four to a word, little-endian. */
  bytes(b: Uint8Array): this {
    const length = b.length;
    this.#feed(length);
    let i = 0;
    for (; i + 3 < length; i += 4) {
      this.#feed(b[i]! | (b[i + 1]! << 8) | (b[i + 2]! << 16) | (b[i + 3]! << 24));
    }
    if (i < length) {
      let tail = b[i]!;
      if (i + 1 < length) tail |= b[i + 1]! << 8;
      if (i + 2 < length) tail |= b[i + 2]! << 16;
      this.#feed(tail);
    }
    return this;
  }

  /** Ends the hash and adds it to the digest. */
  addTo(digest: Digest): void {
    this.#finish();
    digest.a = (digest.a + this.#a) | 0;
    digest.b = (digest.b + this.#b) | 0;
    digest.c = (digest.c + this.#c) | 0;
    digest.d = (digest.d + this.#d) | 0;
  }

  /** Ends the hash and returns 32 bits of it, as an unsigned integer: a checksum. */
  word(): number {
    this.#finish();
    return this.#a >>> 0;
  }

  /** For each lane state one-to-one in the word, and for each word one-to-one in the state. */
  #feed(word: number): void {
    let k = Math.imul(word, 0x239b961b);
    k = (k << 15) | (k >>> 17);
    k = Math.imul(k, 0xab0e9789);
    let a = this.#a ^ k;
    a = (a << 19) | (a >>> 13);
    a = (a + this.#b) | 0;
    a = (Math.imul(a, 5) + 0x561ccd1b) | 0;
    this.#a = this.#b;
    this.#b = this.#c;
    this.#c = this.#d;
    this.#d = a;
    this.#words++;
  }

  #finish(): void {
    let a = this.#a ^ this.#words;
    let b = this.#b ^ this.#words;
    let c = this.#c ^ this.#words;
    let d = this.#d ^ this.#words;
    a = (a + b + c + d) | 0;
    b = avalanche((a + b) | 0);
    c = avalanche((a + c) | 0);
    d = avalanche((a + d) | 0);
    a = avalanche(a);
    this.#a = a = (a + b + c + d) | 0;
    this.#b = (a + b) | 0;
    this.#c = (a + c) | 0;
    this.#d = (a + d) | 0;
  }
}

/** fmix32 of MurmurHash3: every input bit reaches every output bit. */
function avalanche(lane: number): number {
  let h = lane ^ (lane >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}
