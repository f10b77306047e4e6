/**
 * One direction of a link: its settings, whether it is cut, its counters, and when what enters it now
 * comes out. All connections of the link share it; it has no sockets and no timers.
 *
 * A byte first waits until the line has sent what was before it (bandwidth, one queue for all connections),
 * then travels for the delay. Not modelled: loss and resending as such, slow start, back-off after a cut.
 */
import type { Random } from './random.js';
import type { LineSettings } from './settings.js';

export class Line {
  settings: LineSettings;
  /** A cut line delivers nothing; what it had under way is to be sent again. */
  cut = false;
  /** Handed to the receiving side since the start. */
  bytesDelivered = 0;
  /** Read from the sending side and not yet handed over. */
  bytesQueued = 0;
  /** When the line has sent all that has entered it. */
  #freeAt = 0;

  constructor(settings: LineSettings) {
    this.settings = settings;
  }

  /** Largest piece that enters the line as a whole: 2 ms of a limited line, so that a stream stays smooth. */
  get pieceBytesMax(): number {
    const { bytesPerSecond } = this.settings;
    return bytesPerSecond === 0
      ? Number.POSITIVE_INFINITY
      : Math.max(SEGMENT_BYTES, Math.floor(bytesPerSecond / 500));
  }

  /** Takes bytes that enter at `at`; returns when they are out. Calls must be in order of `at`. */
  enter(at: number, bytes: number, random: Random): number {
    const { bytesPerSecond } = this.settings;
    if (bytesPerSecond === 0 || bytes === 0) return at + this.travelMs(random);
    this.#freeAt = Math.max(at, this.#freeAt) + (bytes * 1000) / bytesPerSecond;
    return this.#freeAt + this.travelMs(random);
  }

  /** Time from one end to the other, of something without length. Milliseconds. */
  travelMs(random: Random): number {
    const { delayMs, jitterMs } = this.settings;
    return jitterMs === 0 ? delayMs : Math.max(0, delayMs + (2 * random() - 1) * jitterMs);
  }

  /** Forgets what it was sending: after a cut everything is sent again. */
  clear(): void {
    this.#freeAt = 0;
  }
}

/** Payload of one Ethernet segment: less never enters a line at once. */
const SEGMENT_BYTES = 1448;
