/**
 * A client port on a real socket: before a real replica on LevelDB, or before a stand-in that a test answers for.
 * Gone when the test is over.
 */
import { randomInt } from 'node:crypto';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect as connectTcp, type Socket } from 'node:net';
import { replicaId } from '@causeway/crdt';
import type { CausewayError, Result } from '@causeway/protocol';
import {
  Driver,
  type Environment,
  type Event,
  type Now,
  Replica,
  type RequestEvent,
  START_RANGES,
} from '@causeway/replica';
import { onTestFinished } from 'vitest';
import type { ClientServer, ReplicaView } from '../client-facing.js';
import { createClientServer } from '../client-server.js';
import { LevelStorage } from '../level-storage.js';
import { SessionHub } from '../session-hub.js';
import { type LogLine, memoryLog, scratchDirectory } from './scratch.js';

export interface Port {
  readonly port: number;
  readonly server: ClientServer;
  readonly hub: SessionHub;
  readonly step: (event: Event) => void;
  readonly view: ReplicaView;
  /** Names of the operations that were timed. */
  readonly timed: string[];
  readonly logged: LogLine[];
}

export interface PortOptions {
  readonly allowOrigin?: readonly string[];
}

function now(): Now {
  return { monotonic: performance.now(), wall: Date.now() };
}

/** A node without peers, on a directory of its own: everything but the other two listeners. */
export async function startPort(options: PortOptions = {}): Promise<Port & { replica: Replica }> {
  const logged: LogLine[] = [];
  const log = memoryLog(logged);
  const nothing = () => undefined;
  const telemetry = {
    lag: nothing,
    ack: nothing,
    convergence: nothing,
    duplicateChunk: nothing,
    repairSession: nothing,
    repairRecords: nothing,
    conflict: nothing,
    write: nothing,
    read: nothing,
  };
  const env: Environment = {
    random: () => randomInt(2 ** 47) / 2 ** 47,
    readNow: (key) => storage.readNow(key),
    telemetry,
    log,
  };
  const config = { region: 'eu', advertise: 'ws://127.0.0.1:7500', seeds: [] };
  const directory = await scratchDirectory();
  const storage = await LevelStorage.open({
    directory,
    startRanges: START_RANGES,
    initialBatch: () => Replica.initialBatch(config, env, now()),
    log,
  });
  const replica = Replica.open(await storage.records(), config, env, now());
  let timer: NodeJS.Timeout | undefined;
  const driver = new Driver(replica, {
    now,
    defer: (task) => setImmediate(task),
    wake(at, task) {
      clearTimeout(timer);
      timer = setTimeout(task, Math.max(0, at - performance.now()));
    },
    write: (batch) => storage.write(batch),
    reopen: () => storage.reopen(),
    load: (keys, snapshot) => storage.load(keys, snapshot),
    scan: (scan) => storage.scan(scan),
    openSnapshot: (id) => storage.openSnapshot(id),
    closeSnapshot: (id) => storage.closeSnapshot(id),
    send: (sends) => hub.dispatch(sends),
    rejoin: () => undefined,
  });
  const step = (event: Event) => driver.step(event);
  const hub = new SessionHub(step);
  const view = {
    id: replica.id,
    status: () => replica.status(now()),
    conflicts: (after: string | undefined, limit: number) => replica.conflicts(after, limit),
  };
  onTestFinished(async () => {
    driver.stop();
    clearTimeout(timer);
    await storage.close();
  });
  step({ type: 'tick' });
  const port = await open(hub, step, view, logged, options);
  await eventually(() => view.status().ready);
  return { ...port, replica };
}

export interface FakePort extends Port {
  /** Everything that the replica was told, in order. */
  readonly events: Event[];
  /** What it was told of one type, in order. */
  told<T extends Event['type']>(type: T): Extract<Event, { type: T }>[];
  reply(request: RequestEvent, results: readonly Result[]): void;
  fail(request: { session: number; request: number }, error: CausewayError): void;
}

/** A port whose replica does nothing but take down what it is told, and call `answer` with it. */
export async function startFake(
  answer: (event: Event, port: FakePort) => void = () => undefined,
  options: PortOptions = {},
): Promise<FakePort> {
  const events: Event[] = [];
  const step = (event: Event) => {
    events.push(event);
    answer(event, fake);
  };
  const hub = new SessionHub(step);
  const view = {
    id: replicaId('eu.00000001'),
    status: () => ({ reasons: [] }) as unknown as ReturnType<ReplicaView['status']>,
    conflicts: () => ({ conflicts: [], after: '0' }),
  };
  const port = await open(hub, step, view, [], options);
  const fake: FakePort = {
    ...port,
    events,
    told: (type) => events.filter((event) => event.type === type) as never,
    reply({ session, request }, results) {
      hub.dispatch([{ type: 'reply', session, request, results }]);
    },
    fail({ session, request }, error) {
      hub.dispatch([{ type: 'failure', session, request, error }]);
    },
  };
  return fake;
}

async function open(
  hub: SessionHub,
  step: (event: Event) => void,
  view: ReplicaView,
  logged: LogLine[],
  options: PortOptions,
): Promise<Port> {
  const timed: string[] = [];
  const server = createClientServer({
    hub,
    step,
    replica: view,
    config: {
      region: 'eu',
      clientListen: { host: '127.0.0.1', port: 0 },
      allowOrigin: options.allowOrigin ?? [],
    },
    log: memoryLog(logged),
    telemetry: { operation: (operation) => timed.push(operation) },
  });
  const { port } = await server.listen();
  onTestFinished(() => server.close());
  return { port, server, hub, step, view, timed, logged };
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Parsed JSON; undefined when there is no body. */
  readonly body: unknown;
}

/** One request on a connection of its own. The path leaves as it stands, the body too unless it is an object. */
export function call(
  port: number,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string | string[]> = {},
): Promise<HttpAnswer> {
  const bytes =
    body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const request = httpRequest({ port, method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        const { statusCode = 0, headers } = response;
        resolve({ status: statusCode, headers, body: text === '' ? undefined : JSON.parse(text) });
      });
    });
    request.on('error', reject);
    request.end(bytes);
  });
}

/** A bare TCP connection, for what no HTTP client would send. */
export class RawConnection {
  private received = '';
  private readonly waiters: (() => void)[] = [];
  ended = false;

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.received += chunk.toString('latin1');
      this.wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.ended = true;
      this.wake();
    });
  }

  static open(port: number): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = connectTcp({ port, host: '127.0.0.1' }, () => resolve(connection));
      const connection = new RawConnection(socket);
      socket.once('error', reject);
      onTestFinished(() => {
        socket.destroy();
      });
    });
  }

  send(text: string | Buffer): void {
    this.socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text);
  }

  /** What has been received when it satisfies `is`, or when the connection has ended. */
  async until(is: (received: string) => boolean): Promise<string> {
    while (!is(this.received) && !this.ended)
      await new Promise<void>((resolve) => this.waiters.push(resolve));
    return this.received;
  }

  /** What was received, once the other side has ended the connection. */
  end(): Promise<string> {
    return this.until(() => false);
  }

  private wake(): void {
    for (const waiter of this.waiters.splice(0)) waiter();
  }
}

/** Resolves when `is` holds, looking at every turn of the event loop. */
export async function eventually(is: () => boolean): Promise<void> {
  while (!is()) await new Promise((resolve) => setImmediate(resolve));
}
