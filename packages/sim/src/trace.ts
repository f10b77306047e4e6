/**
 * Everything that happens in a simulation, as a hash and, when asked for, as lines of text.
 *
 * The hash is what "one seed gives one history, byte for byte" means: it covers the time, the node and the
 * content of every event, the bytes of every message and batch included.
 */
import type { Scheduler } from './scheduler.js';

export type TraceField = string | number | Uint8Array;

export class Trace {
  private high = 0x9e3779b9 | 0;
  private low = 0x85ebca6b | 0;
  private readonly lines: string[] = [];
  private next = 0;

  /** Keeps the last `linesMax` events as text; 0 keeps none. */
  constructor(
    private readonly scheduler: Scheduler,
    private readonly linesMax: number,
  ) {}

  /** `machine` is -1 for what concerns no single one. */
  note(machine: number, what: string, ...fields: readonly TraceField[]): void {
    const { now } = this.scheduler;
    this.number(now);
    this.word(machine);
    this.text(what);
    for (const field of fields) {
      if (typeof field === 'number') this.number(field);
      else if (typeof field === 'string') this.text(field);
      else this.bytes(field);
    }
    if (this.linesMax > 0) {
      this.lines[this.next] = lineOf(now, machine, what, fields);
      this.next = (this.next + 1) % this.linesMax;
    }
  }

  /** 16 hex digits. */
  get hash(): string {
    const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');
    return hex(this.high) + hex(this.low);
  }

  /** The events that were kept, oldest first. */
  kept(): string[] {
    return [...this.lines.slice(this.next), ...this.lines.slice(0, this.next)];
  }

  private number(value: number): void {
    const whole = Math.floor(value);
    this.word(whole % 0x100000000);
    this.word(Math.floor(whole / 0x100000000));
    this.word((value - whole) * 0x100000000);
  }

  private text(text: string): void {
    this.word(text.length);
    for (let index = 0; index < text.length; index++) this.word(text.charCodeAt(index));
  }

  private bytes(bytes: Uint8Array): void {
    this.word(bytes.length);
    let index = 0;
    for (; index + 4 <= bytes.length; index += 4) {
      const [a = 0, b = 0, c = 0, d = 0] = [
        bytes[index],
        bytes[index + 1],
        bytes[index + 2],
        bytes[index + 3],
      ];
      this.word(a | (b << 8) | (c << 16) | (d << 24));
    }
    for (; index < bytes.length; index++) this.word(bytes[index] as number);
  }

  private word(word: number): void {
    this.low = Math.imul(this.low ^ word, 0x5bd1e995);
    this.low ^= this.low >>> 15;
    this.high = (Math.imul(this.high ^ this.low, 0x27d4eb2f) + 0x165667b1) | 0;
  }
}

function lineOf(now: number, machine: number, what: string, fields: readonly TraceField[]): string {
  const rest = fields.map((field) => (field instanceof Uint8Array ? `${field.length} bytes` : String(field)));
  return `${now.toFixed(3).padStart(11)} ${machine < 0 ? '--' : `n${machine}`} ${what} ${rest.join(' ')}`;
}
