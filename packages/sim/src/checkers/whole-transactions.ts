/**
 * Whole transactions: what was written in one transaction is never seen apart by one that reads it all.
 *
 * Three witnesses: accounts between which amounts are moved always sum to 0; a bag holds as many elements as
 * its tally counts; two registers set together hold the same value, or one that has beaten it.
 */
import { compareReadings, compareStamps } from '@causeway/crdt';
import type { Operation, Result } from '@causeway/protocol';
import { nameOfBytes } from '../expectation.js';
import type { Call } from '../history.js';
import { familyOf } from '../keys.js';
import { show, Violation } from '../violation.js';
import type { Checker } from './checker.js';

type RegisterGet = Extract<Result, { op: 'register.get' }>;

export class WholeTransactionsChecker implements Checker {
  /** Transactions judged that read keys of a witness. */
  judged = 0;
  private readonly pairs = new Map<string, Call>();

  /** `accounts`: how many accounts there are; only a read of all of them is judged. */
  constructor(private readonly accounts: number) {}

  invoked(call: Call): void {
    for (const operation of call.operations) {
      if (operation.op === 'register.set' && familyOf(operation.key) === 'left')
        this.pairs.set(nameOfBytes(operation.value), call);
    }
  }

  answered(call: Call): void {
    if (call.outcome !== 'acknowledged' || call.writes) return;
    const reads = call.operations.map((operation, index) => ({
      operation,
      result: call.results[index] as Result,
    }));
    this.judgeAccounts(call, reads);
    for (const { operation, result } of reads) {
      if (result.op === 'register.get' && familyOf(operation.key) === 'left') {
        const right = find(reads, operation.key.replace('left', 'right'));
        if (right?.op === 'register.get') this.judgePair(call, operation.key, result, right);
      }
      if (result.op === 'set.values' && familyOf(operation.key) === 'bag' && !result.more) {
        const tally = find(reads, operation.key.replace('bag', 'tally'));
        if (tally?.op === 'counter.get')
          this.judgeBag(call, operation.key, result.values.length, tally.value);
      }
    }
  }

  private judgeAccounts(call: Call, reads: readonly { operation: Operation; result: Result }[]): void {
    const values = reads.flatMap(({ operation, result }) =>
      result.op === 'counter.get' && familyOf(operation.key) === 'account' ? [BigInt(result.value)] : [],
    );
    if (values.length === 0 || values.length !== this.accounts) return;
    this.judged++;
    const sum = values.reduce((total, value) => total + value, 0n);
    if (sum !== 0n) fail(call, `the accounts sum to ${sum}: ${values.join(', ')}`);
  }

  private judgeBag(call: Call, key: string, size: number, count: number | bigint): void {
    this.judged++;
    if (BigInt(size) !== BigInt(count)) fail(call, `${key} holds ${size} elements, its tally says ${count}`);
  }

  private judgePair(call: Call, key: string, left: RegisterGet, right: RegisterGet): void {
    this.judged++;
    if (left.value === undefined && right.value === undefined) return;
    if (left.value === undefined || right.value === undefined) fail(call, `only one half of ${key} is there`);
    for (const [shown, other, operation] of [
      [left, right, 'right'],
      [right, left, 'left'],
    ] as const) {
      const writer = this.pairs.get(nameOfBytes(shown.value ?? new Uint8Array()));
      const index =
        writer?.operations.findIndex(
          (one) => one.op === 'register.set' && one.key === key.replace('left', operation),
        ) ?? -1;
      const written = writer?.results[index];
      if (written?.op !== 'register.set' || other.stamp === undefined) continue;
      // Issued again under another name it keeps its time.
      const compare = writer?.doubtful ? compareReadings : compareStamps;
      if (compare(other.stamp, written.stamp) < 0) {
        fail(call, `${key} shows call ${writer?.id}, but its other half is older: ${show(other.stamp)}`);
      }
    }
  }
}

function find(reads: readonly { operation: Operation; result: Result }[], key: string): Result | undefined {
  return reads.find(({ operation }) => operation.key === key)?.result;
}

function fail(call: Call, problem: string): never {
  throw new Violation('whole-transactions', `call ${call.id} at n${call.node}: ${problem}`);
}
