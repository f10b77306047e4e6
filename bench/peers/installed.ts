/**
 * What of the other systems is on this machine: libraries of bench/peers/package.json, which are in a package of their own
 * so that nobody else installs them, and programs of the operating system.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { PEERS } from '../harness/paths.js';

const LOADER = pathToFileURL(join(PEERS, 'load.js')).href;
/** Servers lie where only an administrator's PATH leads. */
const DIRECTORIES = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];

/** The exports of a library; `T` says what is used of them. */
export async function library<T>(name: string): Promise<T> {
  const { load } = (await import(LOADER)) as { load: (name: string) => Promise<T> };
  return load(name);
}

/** Undefined when all are there. */
export function missingLibraries(...names: readonly string[]): string | undefined {
  const missing = names.filter((name) => !existsSync(manifestOf(name)));
  if (missing.length === 0) return undefined;
  return `${missing.join(', ')} not installed: npm ci --prefix bench/peers`;
}

export function versionOfLibrary(name: string): string {
  return (JSON.parse(readFileSync(manifestOf(name), 'utf8')) as { version: string }).version;
}

/** `debian` is the package that has it. */
export function missingProgram(name: string, debian: string): string | undefined {
  if (findProgram(name) !== undefined) return undefined;
  return `${name} not found: apt-get install ${debian}, or its like`;
}

export function programPath(name: string): string {
  const path = findProgram(name);
  if (path === undefined) throw new Error(`${name} not found`);
  return path;
}

/** The first number with dots that it tells of itself. */
export async function versionOfProgram(name: string): Promise<string> {
  const { stdout } = await promisify(execFile)(programPath(name), ['--version']);
  return /\d+(\.\d+)+/.exec(stdout)?.[0] ?? 'of unknown version';
}

function findProgram(name: string): string | undefined {
  return DIRECTORIES.map((directory) => join(directory, name)).find(existsSync);
}

function manifestOf(name: string): string {
  return join(PEERS, 'node_modules', name, 'package.json');
}
