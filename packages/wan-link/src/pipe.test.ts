import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { abort } from './pipe.js';
import { startRig } from './testing/rig.js';

test('abort resets an open socket', async () => {
  const { dial, arrival } = await startRig({});
  const [client, remote] = [await dial(), await arrival()];
  abort(client.socket);
  expect(await client.closed).toBeUndefined();
  expect(await remote.closed).toBe('ECONNRESET');
  abort(client.socket);
});

test('abort closes a socket that is sending its end, which cannot be reset', async () => {
  const { dial, arrival } = await startRig({});
  const [client, remote] = [await dial(), await arrival()];
  client.socket.end('last');
  await new Promise<void>((resolve) => process.nextTick(resolve));
  abort(client.socket);
  await client.closed;
  await remote.ended;
  expect(remote.text).toBe('last');
});

test('abort closes a socket that is still connecting', async () => {
  const { link } = await startRig({});
  const socket = connect(link.port, '127.0.0.1');
  abort(socket);
  await once(socket, 'close');
});
