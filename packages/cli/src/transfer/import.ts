/**
 * Import: writes what an export holds, in transactions, through the client port of a node. A register is set, elements
 * are added, and a counter grows by its value: into an empty store this makes what was exported.
 *
 * Each transaction carries an idempotency key made of the contents before it and its own, so a transaction whose answer
 * was lost, and an import that is begun again with the same file at the same node within a day, counts nothing twice.
 */
import { createHash } from 'node:crypto';
import { CausewayError } from '@causeway/protocol';
import { postJson } from '../node-api.js';
import type { ExportedLine } from './export.js';

const OPERATIONS_MAX = 500;
const BYTES_MAX = 1 << 20;
const ATTEMPTS = 30;
const RETRY_MS = 1_000;

export interface ImportProgress {
  readonly lines: number;
  readonly transactions: number;
}

/** Throws CAUSEWAY_BAD_REQUEST naming the line that is none; what was before it is written. */
export async function importLines(
  node: string,
  lines: AsyncIterable<string>,
  progress: (progress: ImportProgress) => void,
): Promise<ImportProgress> {
  const digest = createHash('sha256');
  let [read, transactions, bytes] = [0, 0, 0];
  let operations: object[] = [];
  const send = async (): Promise<void> => {
    if (operations.length === 0) return;
    await sendOnce(node, operations, digest.copy().digest('hex'));
    operations = [];
    bytes = 0;
    transactions++;
    progress({ lines: read, transactions });
  };
  for await (const line of lines) {
    read++;
    if (line.trim() === '') continue;
    if (operations.length >= OPERATIONS_MAX || bytes + line.length > BYTES_MAX) await send();
    digest.update(line).update('\n');
    bytes += line.length;
    operations.push(operationOf(line, read));
  }
  await send();
  return { lines: read, transactions };
}

async function sendOnce(node: string, operations: readonly object[], id: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await postJson(node, '/v1/transactions', { operations }, { 'idempotency-key': `import-${id}` });
      return;
    } catch (error) {
      const isLost =
        error instanceof CausewayError && (error.retryable || error.code === 'CAUSEWAY_OUTCOME_UNKNOWN');
      if (!isLost || attempt === ATTEMPTS) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

function operationOf(line: string, number: number): object {
  const exported = parse(line, number);
  const { type, key } = exported;
  if (type === 'register' && 'value' in exported) return { type, key, op: 'set', value: exported.value };
  if (type === 'set' && Array.isArray(exported.values))
    return { type, key, op: 'add', values: exported.values };
  if (type === 'counter' && 'value' in exported) return { type, key, op: 'increment', by: exported.value };
  throw badLine(number, 'it has no type with its value: register and counter have a value, set has values');
}

function parse(line: string, number: number): ExportedLine {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    throw badLine(number, 'it is not JSON');
  }
  if (typeof parsed === 'object' && parsed !== null && 'key' in parsed && typeof parsed.key === 'string') {
    return parsed as ExportedLine;
  }
  throw badLine(number, 'it has no key');
}

function badLine(number: number, why: string): CausewayError {
  return new CausewayError('CAUSEWAY_BAD_REQUEST', `line ${number}: ${why}`);
}
