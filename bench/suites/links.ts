/**
 * Whether the links do what they are set to, since every other suite relies on them: delay, jitter, bandwidth, a partition
 * and the loss of one direction.
 */
import { once } from 'node:events';
import { createServer, connect as dial } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createWanLink } from '@causeway/wan-link';
import { openEmptyLink } from '../harness/empty-link.js';
import { Latencies } from '../harness/latency.js';
import type { Series } from '../harness/result.js';
import { defineSuite, type Recorder } from '../harness/suite.js';

const DELAY_ERROR_MS_MAX = 1;
const CUT_MS = 300;
const QUIET_MS = 100;

export const links = defineSuite({
  name: 'links',
  title: 'Links',
  about:
    'whether the links between regions have the delay, jitter and bandwidth they are set to, and can be cut',
  isQuick: true,
  options: {
    delays: { about: 'one way, ms', value: [1, 6, 40, 164], quick: [6, 40] },
    jitter: { about: 'on a delay of 20 ms, ms', value: 10 },
    bandwidth: { about: 'bytes per second', value: 2_000_000 },
    echoes: { about: 'for each delay', value: 200, quick: 25 },
  },
  run: async ({ delays, jitter, bandwidth, echoes }, recorder) => {
    const curves: Series[] = [];
    for (const delayMs of delays) {
      recorder.tell(`delay of ${delayMs} ms`);
      const errors = await echoed({ delayMs }, echoes, delayMs);
      recorder.figure(`delay of ${delayMs} ms, error p50`, 'ms', errors.at(50), {
        better: 'lower',
        aim: { atMost: DELAY_ERROR_MS_MAX },
      });
      recorder.figure(`delay of ${delayMs} ms, error p99`, 'ms', errors.at(99), { better: 'lower' });
      curves.push(errors.series(`${delayMs} ms`));
    }
    recorder.plot(
      'What a link adds to its delay, half of an echo',
      { label: 'percentile', scale: 'percentile' },
      { label: 'ms', scale: 'linear' },
      curves,
    );
    recorder.tell(`jitter of ${jitter} ms`);
    const jittered = await echoed({ delayMs: 20, jitterMs: jitter }, echoes, 20 - jitter);
    recorder.figure(
      `jitter of ±${jitter} ms, p10 to p90 of an echo's half`,
      'ms',
      jittered.at(90) - jittered.at(10),
    );
    recorder.tell(`bandwidth of ${bandwidth} bytes/s`);
    recorder.figure('bandwidth reached ÷ set', '×', (await throughputOf(bandwidth)) / bandwidth, {
      aim: { atLeast: 0.9 },
    });
    recorder.tell('cuts');
    await cuts(recorder);
  },
});

/** Half echoes beyond `offMs`. */
async function echoed(
  settings: { readonly delayMs: number; readonly jitterMs?: number },
  count: number,
  offMs: number,
): Promise<Latencies> {
  const link = await openEmptyLink(settings);
  const latencies = new Latencies();
  for (let i = 0; i < count; i++) latencies.record((await link.echo()) - offMs);
  await link.close();
  return latencies;
}

/** Bytes per second of a second's worth of data, without what the connection takes. */
async function throughputOf(bytesPerSecond: number): Promise<number> {
  let [received, firstAt, lastAt] = [0, 0, 0];
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes: Buffer) => {
      if (received === 0) firstAt = performance.now();
      else lastAt = performance.now();
      received += bytes.length;
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const link = await createWanLink({ to: `127.0.0.1:${port}`, bytesPerSecond });
  const socket = dial({ host: '127.0.0.1', port: link.port });
  socket.end(Buffer.alloc(bytesPerSecond));
  await once(socket, 'close');
  while (received < bytesPerSecond) await sleep(5);
  await link.close();
  server.close();
  return (received * 1000) / (lastAt - firstAt);
}

/** A partition holds what is sent until the heal; so does the loss of the way back alone, while the way there works. */
async function cuts(recorder: Recorder): Promise<void> {
  const { link, echo, close } = await openEmptyLink({ delayMs: 1 });
  for (const direction of ['both', 'down'] as const) {
    const before = link.stats().up.bytesDelivered;
    link.cut({ direction });
    const answered = echo();
    await sleep(QUIET_MS);
    const arrived = link.stats().up.bytesDelivered > before;
    setTimeout(() => link.heal(), CUT_MS - QUIET_MS);
    const heldMs = (await answered) * 2;
    const name = direction === 'both' ? 'cut both ways' : 'cut of the way back';
    recorder.figure(`${name} of ${CUT_MS} ms, an echo took`, 'ms', heldMs, { aim: { atLeast: CUT_MS } });
    recorder.figure(`${name}, what was sent arrived meanwhile`, '', Number(arrived), {
      aim: direction === 'both' ? { atMost: 0 } : { atLeast: 1 },
    });
  }
  await close();
}
