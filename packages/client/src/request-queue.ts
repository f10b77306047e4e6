/**
 * Requests that wait to be sent, in the order in which they were asked for.
 */
import type { Request } from './request.js';

/** Taken entries are cut off the array once there are this many of them and they are the larger part. */
const COMPACT_COUNT = 1024;

export class RequestQueue {
  private requests: Request[] = [];
  private head = 0;
  private weight = 0;

  get length(): number {
    return this.requests.length - this.head;
  }

  /** What waits, as `bytes` of a request. */
  get bytes(): number {
    return this.weight;
  }

  push(request: Request): void {
    this.requests.push(request);
    this.weight += request.bytes;
  }

  peek(): Request | undefined {
    return this.requests[this.head];
  }

  /** Takes the first; there must be one. */
  shift(): Request {
    const request = this.requests[this.head++]!;
    this.weight -= request.bytes;
    if (this.head === this.requests.length) {
      this.requests.length = 0;
      this.head = 0;
    } else if (this.head >= COMPACT_COUNT && this.head * 2 >= this.requests.length) {
      this.requests = this.requests.slice(this.head);
      this.head = 0;
    }
    return request;
  }

  /** Puts requests that were taken earlier back before all others. */
  prepend(requests: readonly Request[]): void {
    if (requests.length === 0) return;
    this.requests = requests.concat(this.requests.slice(this.head));
    this.head = 0;
    for (const request of requests) this.weight += request.bytes;
  }
}
