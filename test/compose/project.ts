/**
 * The regions of docker-compose.yml as a project of their own: another name, another image tag, any free ports, no
 * Grafana. Every command is bounded in time; `remove` leaves nothing of it behind.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FILES = ['docker-compose.yml', 'test/compose/ports.yml'];
const OUTPUT_BYTES_MAX = 64 << 20;
const COMMAND_TIMEOUT_MS = 60_000;
const BUILD_TIMEOUT_MS = 300_000;
/** Of `!override`. */
const COMPOSE_LEAST = [2, 24] as const;

/** Why the test cannot run here; undefined if it can. */
export async function whatIsMissing(): Promise<string | undefined> {
  const engine = await attempt(['version', '--format', '{{.Server.Version}}']);
  if (engine instanceof Error) return `no Docker engine answers: ${engine.message.trim().split('\n').at(-1)}`;
  const compose = await attempt(['compose', 'version', '--short']);
  if (compose instanceof Error) return 'docker compose is not installed';
  const [major = 0, minor = 0] = compose.replace(/^v/, '').split('.').map(Number);
  const [leastMajor, leastMinor] = COMPOSE_LEAST;
  const enough = major > leastMajor || (major === leastMajor && minor >= leastMinor);
  return enough ? undefined : `docker compose ${compose} is older than ${COMPOSE_LEAST.join('.')}`;
}

export class Project {
  readonly name = `causeway-test-${randomBytes(4).toString('hex')}`;
  readonly image = `${this.name}:test`;
  private readonly urls = new Map<string, string>();
  private readonly env = {
    ...process.env,
    CAUSEWAY_IMAGE: this.image,
    COMPOSE_PROFILES: '',
    COMPOSE_FILE: '',
    COMPOSE_PROJECT_NAME: '',
  };

  async build(): Promise<void> {
    await this.compose(['build'], BUILD_TIMEOUT_MS);
  }

  /** Resolves when all are up, and healthy where there is a health check. */
  async up(...services: string[]): Promise<void> {
    await this.compose(['up', '-d', '--wait', '--no-build', ...services]);
  }

  /** Resolves with the time at which it was gone, as `performance.now()` tells it. */
  async kill(service: string): Promise<number> {
    await this.compose(['kill', service]);
    const id = await this.compose(['ps', '-aq', service]);
    const finishedAt = await docker(['inspect', '--format', '{{.State.FinishedAt}}', id]);
    return Date.parse(finishedAt) - performance.timeOrigin;
  }

  async start(service: string): Promise<void> {
    await this.compose(['start', service]);
    for (const place of this.urls.keys()) if (place.startsWith(`${service}:`)) this.urls.delete(place);
  }

  /** Output of a command within a container. */
  exec(service: string, ...command: string[]): Promise<string> {
    return this.compose(['exec', '-T', service, ...command]);
  }

  /** Where a port of a container can be reached from here; another one after each start of the container. */
  async url(service: string, port: number): Promise<string> {
    const place = `${service}:${port}`;
    const known = this.urls.get(place) ?? `http://${await this.compose(['port', service, String(port)])}`;
    this.urls.set(place, known);
    return known;
  }

  /** What the image has beyond its base image, and all of it. Bytes. */
  async imageBytes(base: string): Promise<{ own: number; all: number }> {
    const sizes = await docker(['image', 'inspect', '--format', '{{.Size}}', this.image, base]);
    const [all = 0, below = 0] = sizes.split('\n').map(Number);
    return { own: all - below, all };
  }

  logs(): Promise<string> {
    return this.compose(['logs', '--no-color', '--tail', '40']);
  }

  async remove(): Promise<void> {
    await this.compose(['--profile', '*', 'down', '-v', '--remove-orphans', '--timeout', '20']);
    const image = await docker(['images', '-q', this.image]);
    if (image !== '') await docker(['image', 'rm', '-f', this.image]);
  }

  /** Ids of what exists of the project; none after `remove`. */
  async remains(): Promise<string[]> {
    const filter = ['--filter', `label=com.docker.compose.project=${this.name}`];
    const found = await Promise.all([
      docker(['ps', '-aq', ...filter]),
      docker(['network', 'ls', '-q', ...filter]),
      docker(['volume', 'ls', '-q', ...filter]),
      docker(['images', '-q', this.image]),
    ]);
    return found.flatMap((ids) => ids.split('\n')).filter((id) => id !== '');
  }

  private compose(args: readonly string[], timeoutMs?: number): Promise<string> {
    const files = FILES.flatMap((file) => ['-f', file]);
    return docker(
      ['compose', '-p', this.name, ...files, '--progress', 'plain', ...args],
      this.env,
      timeoutMs,
    );
  }
}

async function attempt(args: readonly string[]): Promise<string | Error> {
  try {
    return await docker(args);
  } catch (error) {
    return error as Error;
  }
}

function docker(
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
  timeout = COMMAND_TIMEOUT_MS,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { cwd: ROOT, env, timeout, maxBuffer: OUTPUT_BYTES_MAX };
    execFile('docker', args, options, (error, out, err) => {
      if (error === null) resolve(out.trim());
      else reject(new Error(`docker ${args.join(' ')}: ${error.message}\n${err.slice(-4_000)}`));
    });
  });
}
