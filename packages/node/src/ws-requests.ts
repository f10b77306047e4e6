/**
 * Requests of one WebSocket that are with the replica: what the client called them, and what they weigh.
 *
 * A request's number is its place in these columns, so that taking and returning one costs no allocation;
 * a place is used again only after its answer has come.
 *
 * How large the value is that a read will bring is not known before: the last answers are the measure. It follows
 * a larger one at once and smaller ones slowly, and starts high, so that a client that asks for a thousand large
 * values gets them in turn, and one that asks for small ones is soon not held back.
 */
import type { Operation } from '@causeway/protocol';
import {
  PAGE_BYTES,
  PAGE_ELEMENT_BYTES,
  READ_BYTES,
  REQUEST_BYTES,
  SOCKET_REQUESTS_BYTES_MAX,
  SOCKET_REQUESTS_MAX,
} from './client-limits.js';

export class RequestTable {
  private readonly ids: number[] = [];
  private readonly names: string[] = [];
  private readonly startedAt: number[] = [];
  private readonly weights: number[] = [];
  private readonly free: number[] = [];
  private count = 0;
  private weight = 0;
  /** What a read weighs by now. Bytes. */
  private readBytes = READ_BYTES;

  /** Number of requests in it. */
  get size(): number {
    return this.count;
  }

  get full(): boolean {
    return this.count >= SOCKET_REQUESTS_MAX || this.weight >= SOCKET_REQUESTS_BYTES_MAX;
  }

  /** `id`: the client's; `at`: monotonic ms. Returns the number under which the replica answers. */
  add(id: number, name: string, operations: readonly Operation[], at: number): number {
    const request = this.free.pop() ?? this.ids.length;
    const weight = weightOf(operations, this.readBytes);
    this.ids[request] = id;
    this.names[request] = name;
    this.startedAt[request] = at;
    this.weights[request] = weight;
    this.count++;
    this.weight += weight;
    return request;
  }

  /** The answer of a read had so many bytes. */
  learn(bytes: number): void {
    this.readBytes = Math.max(bytes, this.readBytes - (this.readBytes >> 3));
  }

  /** Until `remove` has been called. */
  id(request: number): number {
    return this.ids[request]!;
  }

  name(request: number): string {
    return this.names[request]!;
  }

  /** Milliseconds since it was added. */
  age(request: number, at: number): number {
    return at - this.startedAt[request]!;
  }

  remove(request: number): void {
    this.count--;
    this.weight -= this.weights[request]!;
    this.free.push(request);
  }
}

/** What a request costs until it is answered. Bytes, roughly. */
function weightOf(operations: readonly Operation[], readBytes: number): number {
  let weight = 0;
  for (let i = 0; i < operations.length; i++) {
    const operation = operations[i]!;
    weight += REQUEST_BYTES;
    switch (operation.op) {
      case 'register.get':
        weight += readBytes;
        break;
      case 'register.set':
        weight += operation.value.length;
        break;
      case 'set.update':
        weight += bytesOf(operation.add) + bytesOf(operation.remove);
        break;
      case 'set.has':
        weight += bytesOf(operation.values);
        break;
      case 'set.values':
        weight += Math.min(PAGE_BYTES, (operation.limit ?? PAGE_BYTES) * PAGE_ELEMENT_BYTES);
        break;
      default:
    }
  }
  return weight;
}

function bytesOf(elements: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const element of elements) bytes += REQUEST_BYTES + element.length;
  return bytes;
}
