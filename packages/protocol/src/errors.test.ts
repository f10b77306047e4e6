import { expect, test } from 'vitest';
import { CausewayError, ERRORS, isErrorCode } from './errors.js';

test('an error carries its code, its message, its cause and whether to try again', () => {
  const cause = new Error('inner');
  const error = new CausewayError('CAUSEWAY_OVERLOADED', 'too much in hand', { cause });
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({
    name: 'CausewayError',
    code: 'CAUSEWAY_OVERLOADED',
    retryable: true,
    status: 503,
  });
  expect(error.message).toBe('too much in hand');
  expect(error.cause).toBe(cause);
});

test.each(Object.entries(ERRORS))(
  '%s has a status, and a meaning that is a sentence',
  (code, { status, meaning }) => {
    expect(code).toMatch(/^CAUSEWAY_[A-Z_]+$/);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(600);
    expect(meaning).toMatch(/^[A-Z].*\.$/);
  },
);

test('an unknown outcome is never retryable by itself', () => {
  expect(ERRORS.CAUSEWAY_OUTCOME_UNKNOWN.retryable).toBe(false);
  expect(ERRORS.CAUSEWAY_TIMEOUT.retryable).toBe(false);
});

test.each([
  {
    name: 'a code of the table',
    code: 'CAUSEWAY_NOT_READY',
    want: { code: 'CAUSEWAY_NOT_READY', retryable: true },
  },
  {
    name: 'a code of a later version',
    code: 'CAUSEWAY_FROM_THE_FUTURE',
    want: { code: 'CAUSEWAY_FROM_THE_FUTURE', retryable: false, status: 500 },
  },
  { name: 'no code at all', code: 'ENOENT', want: { code: 'CAUSEWAY_INTERNAL', retryable: false } },
  { name: 'a name that objects inherit', code: 'toString', want: { code: 'CAUSEWAY_INTERNAL' } },
])('from the wire: $name', ({ code, want }) => {
  expect(CausewayError.fromWire(code, 'text')).toMatchObject({ ...want, message: 'text' });
});

test('codes are told from other text', () => {
  expect(isErrorCode('CAUSEWAY_CORRUPT')).toBe(true);
  expect(isErrorCode('CAUSEWAY_CORRUPTED')).toBe(false);
  expect(isErrorCode('constructor')).toBe(false);
  expect(isErrorCode(7)).toBe(false);
});
