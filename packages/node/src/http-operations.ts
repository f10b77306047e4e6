/**
 * Operations as they stand in HTTP bodies, and results as bodies of answers: the same for single calls and for
 * the operations of a transaction.
 */
import { stampToText } from '@causeway/crdt';
import {
  CausewayError,
  checkKey,
  decodeCanonical,
  type Operation,
  type Result,
  TRANSACTION_OPERATIONS_MAX,
  toJsonValue,
} from '@causeway/protocol';
import {
  badRequest,
  checkElementCount,
  type Fields,
  quote,
  readAmount,
  readFields,
  readTtl,
  readValue,
  readValues,
  required,
} from './http-fields.js';

export function registerSet(key: string, json: unknown): Operation {
  const fields = readFields(json, 'the body', ['value', 'ttlMs']);
  return setOf(key, fields, 'the body');
}

export function setUpdate(key: string, json: unknown): Operation {
  const fields = readFields(json, 'the body', ['add', 'remove']);
  const remove = Object.hasOwn(fields, 'remove') ? readValues(fields['remove'], 'remove') : [];
  const add = Object.hasOwn(fields, 'add') ? readValues(fields['add'], 'add') : [];
  checkElementCount(remove.length + add.length);
  return { op: 'set.update', key, add, remove, sized: true };
}

export function setHas(key: string, json: unknown): Operation {
  const fields = readFields(json, 'the body', ['values']);
  return { op: 'set.has', key, values: readValues(required(fields, 'the body', 'values'), 'values') };
}

export function counterIncrement(key: string, json: unknown): Operation {
  const fields = readFields(json, 'the body', ['by']);
  return { op: 'counter.increment', key, by: readAmount(required(fields, 'the body', 'by')) };
}

/** The operations of a transaction's body. Throws CAUSEWAY_TOO_LARGE for too many of them. */
export function transactionOperations(json: unknown): Operation[] {
  const list = required(readFields(json, 'the body', ['operations']), 'the body', 'operations');
  if (!Array.isArray(list)) throw badRequest('operations must be an array');
  if (list.length === 0) throw badRequest('operations must not be empty');
  if (list.length > TRANSACTION_OPERATIONS_MAX) {
    throw new CausewayError(
      'CAUSEWAY_TOO_LARGE',
      `a transaction may have ${TRANSACTION_OPERATIONS_MAX} operations, this one has ${list.length}`,
    );
  }
  const operations = list.map((operation, index) => transactionOperation(operation, `operations[${index}]`));
  let elements = 0;
  for (const operation of operations) {
    if (operation.op === 'set.update') elements += operation.add.length + operation.remove.length;
  }
  checkElementCount(elements);
  return operations;
}

/** Fields of each operation of a transaction beside type, key and op. */
const OPERATION_FIELDS: Readonly<Record<string, readonly string[]>> = {
  'register.get': [],
  'register.set': ['value', 'ttlMs'],
  'register.delete': [],
  'set.get': [],
  'set.add': ['values'],
  'set.remove': ['values'],
  'set.clear': [],
  'counter.get': [],
  'counter.increment': ['by'],
  'counter.reset': [],
};

function transactionOperation(json: unknown, where: string): Operation {
  if (json === null || typeof json !== 'object' || Array.isArray(json)) {
    throw badRequest(`${where} must be an object`);
  }
  const { type, op } = json as { type?: unknown; op?: unknown };
  const name = typeof type === 'string' && typeof op === 'string' ? `${type}.${op}` : '';
  if (!Object.hasOwn(OPERATION_FIELDS, name)) {
    const known = Object.keys(OPERATION_FIELDS).join(', ');
    throw badRequest(`${where} has no known type and op (${quote(name)}): there are ${known}`);
  }
  const fields = readFields(json, where, ['type', 'key', 'op', ...OPERATION_FIELDS[name]!]);
  const key = required(fields, where, 'key') as string;
  checkKey(key);
  switch (name) {
    case 'register.set':
      return setOf(key, fields, where);
    case 'set.get':
      return { op: 'set.values', key };
    case 'set.add':
      return { op: 'set.update', key, add: elementsOf(fields, where), remove: [], sized: true };
    case 'set.remove':
      return { op: 'set.update', key, add: [], remove: elementsOf(fields, where), sized: true };
    case 'counter.increment':
      return { op: 'counter.increment', key, by: readAmount(required(fields, where, 'by')) };
    default:
      return {
        op: name as 'register.get' | 'register.delete' | 'set.clear' | 'counter.get' | 'counter.reset',
        key,
      };
  }
}

function setOf(key: string, fields: Fields, where: string): Operation {
  const value = readValue(required(fields, where, 'value'));
  if (!Object.hasOwn(fields, 'ttlMs')) return { op: 'register.set', key, value };
  return { op: 'register.set', key, value, ttlMs: readTtl(fields['ttlMs']) };
}

function elementsOf(fields: Fields, where: string): Uint8Array[] {
  return readValues(required(fields, where, 'values'), `values of ${where}`);
}

/** Body of the answer to one operation; null for what is absent: a register, an empty set. */
export function resultBody(result: Result): object | null {
  switch (result.op) {
    case 'register.get':
      if (result.value === undefined) return null;
      return {
        value: valueOf(result.value),
        ...(result.stamp === undefined ? {} : { timestamp: stampToText(result.stamp) }),
      };
    case 'register.set':
      return { timestamp: stampToText(result.stamp) };
    case 'set.update':
    case 'set.size':
      return { size: result.size };
    case 'set.has':
      return { has: result.has };
    case 'set.values':
      return result.values.length === 0 ? null : { values: result.values.map(valueOf) };
    case 'counter.increment':
    case 'counter.get':
      return { value: toJsonValue(result.value) };
    default:
      return {};
  }
}

/** JSON form of canonical bytes. Throws CAUSEWAY_CORRUPT: what the store holds was checked when it came. */
export function valueOf(bytes: Uint8Array): unknown {
  try {
    return toJsonValue(decodeCanonical(bytes));
  } catch (cause) {
    throw new CausewayError('CAUSEWAY_CORRUPT', 'the stored value is not in canonical encoding', { cause });
  }
}
