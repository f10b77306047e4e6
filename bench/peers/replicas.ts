/** Replicas as processes of a site, and the clients that reach them. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { REPLICA } from '../harness/paths.js';
import type { Target, TargetClient } from '../harness/target.js';
import type { Answer, Entry, ReplicaOptions, Request } from './replica.js';
import { Turn } from './replica.js';
import { Site } from './site.js';

/** The place that all others dial in a star, so that cutting the first one off leaves the others together. */
const HUB = 1;

export interface ReplicasOptions {
  /** Name of the peer's file, which exports `openReplica`. */
  readonly file: string;
  readonly name: string;
  readonly durability: string;
  readonly placeCount: number;
  readonly delayMs: number;
  /** `star`: all dial the second place. `mesh`: each dials those after it. */
  readonly shape: 'star' | 'mesh';
}

export interface ReplicasTarget extends Target {
  /** What the first replica that was started has handed out. */
  readonly shared: string | undefined;
}

export function startReplicas(options: ReplicasOptions): Promise<ReplicasTarget> {
  const { placeCount, delayMs, shape } = options;
  if (shape === 'star' && placeCount < 2)
    throw new RangeError(`${options.name} has no server: it is measured with two places or more`);
  return Site.build(async (site) => {
    const ports = await site.ports(placeCount);
    const places = ports.map((_, index) => index);
    // Who is dialled is there first.
    const order = shape === 'star' ? [HUB, ...places.filter((place) => place !== HUB)] : places.toReversed();
    const channels = new Map<number, Channel>();
    let shared: string | undefined;
    for (const place of order) {
      const dialled = places.filter((other) =>
        shape === 'star' ? place !== HUB && other === HUB : other > place,
      );
      const dial: number[] = [];
      for (const other of dialled)
        dial.push(await site.link(ports[other]!, delayMs, place === 0 || other === 0));
      const isDialled = shape === 'mesh' || place === HUB;
      const channel = await Channel.open(site, options.file, {
        placeIndex: place,
        listen: isDialled ? ports[place] : undefined,
        dial,
        directory: await site.subdirectory(`place-${place}`),
        shared,
      });
      channels.set(place, channel);
      shared ??= channel.shared;
    }
    return {
      name: `${options.name}, ${placeCount} places`,
      durability: options.durability,
      pids: site.pids,
      placeCount,
      network: site.network,
      shared,
      connect: async (placeIndex = 0) => channels.get(placeIndex)!.client(),
      stop: () => site.clear(),
    };
  });
}

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;

/** To one process; all clients of a place share it. */
class Channel {
  shared: string | undefined;
  private nextId = 0;
  private readonly waiting = new Map<
    number,
    { resolve: (value?: Uint8Array) => void; reject: (error: Error) => void }
  >();
  private readonly watchers = new Set<(keys: readonly string[]) => void>();
  private readonly puts = new Turn<{
    readonly entry: Entry;
    resolve: () => void;
    reject: (error: Error) => void;
  }>((puts) => {
    this.ask({ op: 'put', entries: puts.map(({ entry }) => entry) }).then(
      () => {
        for (const { resolve } of puts) resolve();
      },
      (error: Error) => {
        for (const { reject } of puts) reject(error);
      },
    );
  });

  private constructor(private readonly child: ChildProcess) {
    child.on('message', (answer: Answer) => this.take(answer));
    child.once('exit', () => {
      for (const { reject } of this.waiting.values()) reject(new Error('the replica has ended'));
      this.waiting.clear();
    });
  }

  static async open(site: Site, file: string, options: ReplicaOptions): Promise<Channel> {
    const child = fork(REPLICA, [file, JSON.stringify(options)], {
      cwd: options.directory,
      serialization: 'advanced',
      execArgv: [],
      // A library may greet; only what is wrong is of interest here.
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    site.add(child);
    const channel = new Channel(child);
    const ended = once(child, 'exit').then(() =>
      Promise.reject(new Error(`a replica of ${file} does not start`)),
    );
    const [ready] = (await Promise.race([once(child, 'message'), ended])) as [Answer];
    if (ready.op === 'ready') channel.shared = ready.shared;
    // From here on its end is told by what waits for an answer.
    ended.catch(() => undefined);
    await channel.ask({ op: 'watch' });
    return channel;
  }

  client(): TargetClient {
    const own = new Set<(keys: readonly string[]) => void>();
    return {
      put: (key, value) =>
        new Promise((resolve, reject) => this.puts.add({ entry: [key, value], resolve, reject })),
      get: (key) => this.ask({ op: 'get', key }),
      watch: async (prefix, onChange) => {
        const watcher = (keys: readonly string[]): void => {
          for (const key of keys) if (key.startsWith(prefix)) onChange(key);
        };
        own.add(watcher);
        this.watchers.add(watcher);
      },
      close: async () => {
        for (const watcher of own) this.watchers.delete(watcher);
      },
    };
  }

  private ask(request: WithoutId<Request>): Promise<Uint8Array | undefined> {
    return new Promise((resolve, reject) => {
      const id = this.nextId++;
      this.waiting.set(id, { resolve, reject });
      this.child.send({ ...request, id });
    });
  }

  private take(answer: Answer): void {
    if (answer.op === 'ready') return;
    if (answer.op === 'changed') {
      for (const watcher of this.watchers) watcher(answer.keys);
      return;
    }
    const waiting = this.waiting.get(answer.id);
    this.waiting.delete(answer.id);
    if (answer.op === 'done') waiting?.resolve(answer.value);
    else waiting?.reject(new Error(answer.message));
  }
}
