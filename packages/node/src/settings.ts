/**
 * The settings of a node: their names as options, flags and variables, and how messages speak of them.
 */
import { CausewayError } from '@causeway/protocol';

/** The options of `createNode`: the flags of `causeway start` in camelCase. */
export interface NodeOptions {
  readonly region: string;
  readonly data?: string;
  readonly clientListen?: string;
  readonly peerListen?: string;
  readonly adminListen?: string;
  readonly peers?: string | readonly string[];
  readonly advertise?: string;
  readonly durability?: 'sync' | 'async';
  readonly logLevel?: LogLevel;
  readonly insecure?: boolean;
  readonly adminTokenFile?: string;
  readonly allowOrigin?: string | readonly string[];
  /** Milliseconds, or a duration such as 7d. */
  readonly maxOffline?: string | number;
  readonly maxClockSkew?: string | number;
  readonly logMaxAge?: string | number;
  /** Bytes, or a size such as 4GiB. */
  readonly logMaxSize?: string | number;
  /** The same. 96 MiB; the command takes an eighth of V8's heap limit, 8 to 512 MiB. */
  readonly cacheSize?: string | number;
}

export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';

export type Name = keyof NodeOptions;

export interface Setting {
  readonly flag: string;
  readonly variable: string;
  /** Placeholder in the help; absent for a switch. */
  readonly value?: string;
  readonly fallback: string;
  readonly help: string;
}

/** Every flag of `causeway start`, in the order of its help. */
export const SETTINGS: Readonly<Record<Name, Setting>> = {
  region: setting('region', 'NAME', 'required', 'name of the region: a-z, 0-9 and -, at most 32 characters'),
  data: setting('data', 'DIR', './data/<region>', 'data directory, made if it is missing'),
  clientListen: setting(
    'client-listen',
    'HOST:PORT',
    '127.0.0.1:7400',
    'HTTP and WebSocket of clients; port 0 picks one',
  ),
  peerListen: setting('peer-listen', 'HOST:PORT', '127.0.0.1:7500', 'replication'),
  adminListen: setting('admin-listen', 'HOST:PORT', '127.0.0.1:7600', 'health, metrics, status'),
  peers: setting('peers', 'URL,…', 'none', 'addresses of other nodes, ws://host:port or wss://host:port'),
  advertise: setting('advertise', 'URL', 'ws://<peer-listen>', 'address at which other nodes dial this one'),
  durability: setting(
    'durability',
    'MODE',
    'sync',
    'acknowledged means: on disk (sync), or handed to the operating system (async)',
  ),
  logLevel: setting('log-level', 'LEVEL', 'info', 'fatal, error, warn, info, debug, trace or silent'),
  insecure: setting('insecure', undefined, 'off', 'listen beyond loopback without TLS and tokens'),
  adminTokenFile: setting(
    'admin-token-file',
    'FILE',
    'none',
    'token that POST and DELETE on the admin port need',
  ),
  maxOffline: setting(
    'max-offline',
    'DURATION',
    '7d',
    'how long a member may be away before a majority of the others evicts it',
  ),
  maxClockSkew: setting(
    'max-clock-skew',
    'DURATION',
    '500ms',
    'how far the clock may be from what a majority agrees on',
  ),
  logMaxSize: setting(
    'log-max-size',
    'SIZE',
    '4GiB',
    'what the log may take while a member is away; beyond it that member is repaired on its return',
  ),
  cacheSize: setting(
    'cache-size',
    'SIZE',
    "1/8 of V8's heap limit",
    'records kept in memory; by default an eighth of what V8 may take, from 8MiB to 512MiB',
  ),
  logMaxAge: setting('log-max-age', 'DURATION', '14d', 'the same in time'),
  allowOrigin: setting('allow-origin', 'ORIGIN,…', 'none', 'browser origins that may use this node'),
};

/**
 * Named by the public surface, and not there before peers and clients authenticate each other. A start that is asked for
 * them ends: if they were ignored the ports would be open to everybody, against what was asked for.
 */
export const LATER = ['tls-cert', 'tls-key', 'tls-ca', 'token-file'];

/** Says that `name`, one of LATER in any spelling, is not there, and what to do instead. */
export function notYet(name: string): string {
  return `${name}: not implemented in this version: leave it out, and let only whom you trust reach the ports`;
}

export const NAMES = Object.keys(SETTINGS) as Name[];
/** As messages name a setting. */
export function nameSetting(name: Name): string {
  const { flag, variable } = SETTINGS[name];
  return `--${flag} (${variable})`;
}

/** One line for each problem. */
export function badConfig(problems: readonly string[]): CausewayError {
  return new CausewayError('CAUSEWAY_BAD_CONFIG', problems.join('\n'));
}

function setting(flag: string, value: string | undefined, fallback: string, help: string): Setting {
  return { flag, variable: variableOf(flag), fallback, help, ...(value === undefined ? {} : { value }) };
}

export function variableOf(flag: string): string {
  return `CAUSEWAY_${flag.toUpperCase().replaceAll('-', '_')}`;
}

export function camelCase(flag: string): string {
  return flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

export function quote(text: string): string {
  return JSON.stringify(text);
}
