/** What is slow, with the bounds of time made short. */
import { encodeCanonical } from '@causeway/protocol';
import { expect, test, vi } from 'vitest';
import { eventually, RawConnection, startFake } from './testing/client-port.js';

vi.mock('./client-limits.js', async (original) => ({
  ...(await original<typeof import('./client-limits.js')>()),
  HEADERS_TIMEOUT_MS: 200,
  REQUEST_TIMEOUT_MS: 300,
  STALLED_MS: 1_500,
}));

const LATE = /HTTP\/1\.1 408 Request Timeout.*CAUSEWAY_BAD_REQUEST/s;

test.each([
  { name: 'nothing', bytes: '' },
  { name: 'half of its headers', bytes: 'GET /v1/registers/a HTTP/1.1\r\nHost' },
  {
    name: 'half of its body',
    bytes: 'PUT /v1/registers/a HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n{"value"',
  },
  {
    name: 'half of a body that is too large',
    bytes: 'PUT /v1/registers/a HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n{"value"',
  },
])('a connection on which $name comes is ended in time', async ({ bytes }) => {
  const { port, events, server } = await startFake();
  const connection = await RawConnection.open(port);

  connection.send(bytes);

  expect(await connection.end()).toMatch(/^(HTTP\/1\.1 4(08|13) .*}})+$/s);
  expect(events).toEqual([]);
  await eventually(() => server.inFlight === 0);
});

test('a request that does not arrive does not cost the one before it its answer', async () => {
  const fake = await startFake();
  const connection = await RawConnection.open(fake.port);

  connection.send('DELETE /v1/registers/a HTTP/1.1\r\nHost: x\r\n\r\nPUT /v1/registers/b HTTP/1.1\r\nHost');
  await eventually(() => fake.events.length === 1);
  setTimeout(() => fake.reply(fake.told('request')[0]!, [{ op: 'register.delete' }]), 100);

  const received = await connection.end();
  expect(received).toMatch(/^HTTP\/1\.1 200 OK/);
  expect(received).toMatch(LATE);
});

test('a client that does not read its answers is cut', async () => {
  const value = encodeCanonical('x'.repeat(1_000_000));
  const fake = await startFake((event, port) => {
    if (event.type === 'request') port.reply(event, [{ op: 'register.get', value }]);
  });
  const connection = await RawConnection.open(fake.port);

  connection.socket.pause();
  connection.send('GET /v1/registers/a HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(40));

  await eventually(() => fake.told('session-closed').length === 1);
  expect(fake.server.inFlight).toBe(0);
});
