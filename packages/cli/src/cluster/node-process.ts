/**
 * One node as a process of its own: `causeway start` with a data directory and fixed addresses.
 *
 * Invariants
 * - A restart keeps directory and addresses.
 * - The process does not outlive this one, unless this one is killed without a chance to act.
 * - It is not in the terminal's process group: Ctrl-C reaches it through `stop` only.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type NodeStatus, readStatus } from './node-status.js';

const CAUSEWAY = fileURLToPath(new URL('../../bin/causeway.js', import.meta.url));
/** Flags of Node.js that a node runs with: the same as in the first line of bin/causeway.js. */
export const NODE_FLAGS: readonly string[] = [
  '--min-semi-space-size=16',
  '--max-semi-space-size=32',
  '--initial-old-space-size=128',
];
/** Lines of the node's log that are kept. */
const LOG_LINES_MAX = 2_000;
/** A node promises to stop within 10 s. */
const STOP_TIMEOUT_MS = 12_000;

export interface NodeProcessOptions {
  readonly region: string;
  readonly data: string;
  /** Ports on 127.0.0.1. */
  readonly ports: { readonly client: number; readonly peer: number; readonly admin: number };
  readonly peers: readonly string[];
  readonly advertise: string;
  /** Further flags of `causeway start`. */
  readonly flags?: readonly string[];
  /** Flags of Node.js itself. */
  readonly nodeFlags?: readonly string[];
  /** Script that takes the part of bin/causeway.js: another build, which a benchmark compares. */
  readonly program?: string | undefined;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class NodeProcess {
  readonly region: string;
  readonly urls: { readonly client: string; readonly http: string; readonly admin: string };
  /** Called when the process ends without `kill` or `stop` having been called. */
  onCrash: (exit: Exit) => void = () => {};
  private child: ChildProcess | undefined;
  private exited: Promise<Exit> = Promise.resolve({ code: 0, signal: null });
  private expected = false;
  private lines: string[] = [];
  private readonly killAtExit = () => void this.child?.kill('SIGKILL');

  constructor(private readonly options: NodeProcessOptions) {
    const { client, admin } = options.ports;
    this.region = options.region;
    this.urls = {
      client: `ws://127.0.0.1:${client}`,
      http: `http://127.0.0.1:${client}`,
      admin: `http://127.0.0.1:${admin}`,
    };
  }

  get running(): boolean {
    return this.child !== undefined;
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** The newest lines of its log, of all its runs; the last is the newest. */
  log(lines = LOG_LINES_MAX): string[] {
    return this.lines.slice(-lines);
  }

  /** Resolves when its ports are open; it may still be joining then. Throws with the end of its log. */
  async start(): Promise<void> {
    if (this.child !== undefined) throw new Error(`${this.region} is running`);
    const child = spawn(process.execPath, this.arguments(), {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: withoutSettings(process.env),
      detached: true,
    });
    this.child = child;
    this.expected = false;
    process.on('exit', this.killAtExit);
    const listening = this.readLog(child);
    this.exited = this.whenExited(child);
    const exit = await Promise.race([listening, this.exited]);
    if (exit !== undefined)
      throw new Error(`${this.region} did not start: ${describeExit(exit)}\n${this.tail()}`);
  }

  /** Ends it at once, SIGKILL unless told otherwise; resolves when it is gone. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<Exit> {
    this.expected = true;
    this.child?.kill(signal);
    return this.exited;
  }

  /** Lets it stop in good order; one that does not is killed. */
  async stop(): Promise<Exit> {
    const timer = setTimeout(() => this.child?.kill('SIGKILL'), STOP_TIMEOUT_MS);
    try {
      return await this.kill('SIGTERM');
    } finally {
      clearTimeout(timer);
    }
  }

  status(): Promise<NodeStatus> {
    return readStatus(this.urls.admin);
  }

  /** The end of its log, for a message. */
  tail(lines = 10): string {
    return this.log(lines).join('\n');
  }

  private arguments(): string[] {
    const { region, data, ports, peers, advertise, flags = [], nodeFlags = [], program } = this.options;
    const listen = Object.entries(ports).flatMap(([name, port]) => [`--${name}-listen`, `127.0.0.1:${port}`]);
    const mesh = ['--advertise', advertise, ...(peers.length > 0 ? ['--peers', peers.join(',')] : [])];
    return [
      ...NODE_FLAGS,
      ...nodeFlags,
      program ?? CAUSEWAY,
      'start',
      '--region',
      region,
      '--data',
      data,
      ...listen,
      ...mesh,
      ...flags,
    ];
  }

  /** Resolves at the line that says that the ports are open. */
  private readLog(child: ChildProcess): Promise<undefined> {
    return new Promise((resolve) => {
      for (const stream of [child.stdout, child.stderr]) {
        if (stream === null) continue;
        createInterface({ input: stream }).on('line', (line) => {
          this.lines.push(line);
          if (this.lines.length > 2 * LOG_LINES_MAX) this.lines = this.log();
          if (line.includes('"msg":"listening"')) resolve(undefined);
        });
      }
    });
  }

  private async whenExited(child: ChildProcess): Promise<Exit> {
    // 'close' comes when its output has been read as well.
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    this.child = undefined;
    process.off('exit', this.killAtExit);
    if (!this.expected) this.onCrash({ code, signal });
    return { code, signal };
  }
}

export function describeExit({ code, signal }: Exit): string {
  return signal === null ? `exit code ${code}` : `killed by ${signal}`;
}

/** Settings in this process's environment are not meant for the nodes that it starts. */
function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('CAUSEWAY_')));
}
