/** What a disk holds at one moment: an ordered map of byte strings. */
import type { Batch, ScanEntry } from '@causeway/replica';

export class DiskImage {
  private readonly values = new Map<string, Uint8Array>();
  /** Keys of `values`, in byte order. */
  private readonly order: string[] = [];

  get isEmpty(): boolean {
    return this.values.size === 0;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.values.get(textOf(key));
  }

  /** [from, to) */
  read(from: Uint8Array, to: Uint8Array, entriesMax = Infinity, bytesMax = Infinity): ScanEntry[] {
    const entries: ScanEntry[] = [];
    const end = textOf(to);
    let bytes = 0;
    for (let index = this.indexOf(textOf(from)); index < this.order.length; index++) {
      const key = this.order[index] as string;
      if (key >= end || entries.length >= entriesMax || bytes >= bytesMax) break;
      const value = this.values.get(key) as Uint8Array;
      entries.push({ key: bytesOf(key), value });
      bytes += key.length + value.length;
    }
    return entries;
  }

  /** Everything, in key order. */
  entries(): ScanEntry[] {
    return this.order.map((key) => ({ key: bytesOf(key), value: this.values.get(key) as Uint8Array }));
  }

  apply(batch: Batch): void {
    for (const key of batch.deletes) {
      const text = textOf(key);
      if (this.values.delete(text)) this.order.splice(this.indexOf(text), 1);
    }
    for (const { key, value } of batch.puts) {
      const text = textOf(key);
      if (!this.values.has(text)) this.order.splice(this.indexOf(text), 0, text);
      this.values.set(text, value);
    }
  }

  copy(): DiskImage {
    const copy = new DiskImage();
    for (const key of this.order) {
      copy.order.push(key);
      copy.values.set(key, this.values.get(key) as Uint8Array);
    }
    return copy;
  }

  /** Index of the first key at or after `key`. */
  private indexOf(key: string): number {
    let from = 0;
    let to = this.order.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((this.order[middle] as string) < key) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}

/** One code unit a byte: strings of it order as the bytes do. */
function textOf(bytes: Uint8Array): string {
  let text = '';
  for (let index = 0; index < bytes.length; index++) text += String.fromCharCode(bytes[index] as number);
  return text;
}

function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index);
  return bytes;
}
