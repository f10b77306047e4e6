/**
 * Where settings come from: flags over environment over a file. Only collects; config.ts checks.
 */
import { readFileSync } from 'node:fs';
import { getHeapStatistics } from 'node:v8';
import { checkConfig, type NodeConfig } from './config.js';
import { badConfig, LATER, NAMES, nameSetting, notYet, quote, SETTINGS, variableOf } from './settings.js';

/** Configuration of `causeway start` from its arguments and the environment. Throws CAUSEWAY_BAD_CONFIG. */
export function readConfig(args: readonly string[], env: NodeJS.ProcessEnv): NodeConfig {
  const { config, ...flags } = parseFlags(args);
  const file = config ?? (env['CAUSEWAY_CONFIG'] || undefined);
  return checkConfig({
    cacheSize: cacheSizeOfProcess(),
    ...(typeof file === 'string' ? readFileOptions(file) : {}),
    ...readEnvironment(env),
    ...flags,
  });
}

/**
 * For a process that is a node and nothing else, bytes. V8 takes its limit from the memory of the machine or of the
 * container, or from --max-old-space-size.
 */
function cacheSizeOfProcess(): number {
  const mebibytes = Math.floor(getHeapStatistics().heap_size_limit / 8 / 2 ** 20);
  return Math.min(512, Math.max(8, mebibytes)) * 2 ** 20;
}

/** The token of --admin-token-file, if there is one. Throws CAUSEWAY_BAD_CONFIG. */
export function readAdminToken({ adminTokenFile }: NodeConfig): string | undefined {
  if (adminTokenFile === undefined) return undefined;
  const token = readText(adminTokenFile, nameSetting('adminTokenFile')).trim();
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw badConfig([
      `${nameSetting('adminTokenFile')}: ${adminTokenFile} must hold one line of printable ASCII`,
    ]);
  }
  return token;
}

function parseFlags(args: readonly string[]): Record<string, unknown> {
  const flags: Record<string, unknown> = {};
  const rest = args.values();
  for (const arg of rest) {
    const [, flag = '', given] = /^--([a-z-]+)(?:=(.*))?$/s.exec(arg) ?? [];
    if (LATER.includes(flag)) throw badConfig([notYet(`--${flag}`)]);
    const name = flag === 'config' ? flag : NAMES.find((candidate) => SETTINGS[candidate].flag === flag);
    if (name === undefined) {
      const known = [...NAMES.map((candidate) => `--${SETTINGS[candidate].flag}`), '--config'];
      throw badConfig([`${quote(arg)} is no flag of causeway start; there are ${known.join(', ')}`]);
    }
    if (name === 'insecure') flags[name] = given === undefined || readBoolean(given);
    else {
      const value = given ?? rest.next().value;
      if (value === undefined) throw badConfig([`--${flag} needs a value`]);
      flags[name] = value;
    }
  }
  return flags;
}

/** An empty variable counts as none: compose files and shells set such. */
function readEnvironment(env: NodeJS.ProcessEnv): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const name of NAMES) {
    const value = env[SETTINGS[name].variable];
    if (value !== undefined && value !== '') options[name] = name === 'insecure' ? readBoolean(value) : value;
  }
  for (const flag of LATER) {
    const variable = variableOf(flag);
    if (env[variable]) throw badConfig([notYet(`${variable} (--${flag})`)]);
  }
  return options;
}

function readFileOptions(path: string): object {
  const text = readText(path, '--config (CAUSEWAY_CONFIG)');
  let options: unknown;
  try {
    options = JSON.parse(text);
  } catch (error) {
    throw badConfig([`--config: ${path} is not JSON: ${error instanceof Error ? error.message : error}`]);
  }
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw badConfig([`--config: ${path} must hold a JSON object`]);
  }
  return options;
}

function readText(path: string, what: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw badConfig([`${what}: ${error instanceof Error ? error.message : error}`]);
  }
}

/** What is neither stays as it is, for the schema to refuse. */
function readBoolean(text: string): boolean | string {
  if (/^(true|1|on|yes)$/i.test(text)) return true;
  return /^(false|0|off|no)$/i.test(text) ? false : text;
}
