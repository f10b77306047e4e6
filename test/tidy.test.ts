/**
 * Order in the house, as far as a program can see it; nothing about taste.
 *
 * - Packages import one way, and stay within themselves; `session/` and `replication/` of the replica never meet.
 * - Packages that are told time and chance do not ask the world for them.
 * - A library stands behind one file, so that it can be exchanged there.
 * - The documents name every error code, metric, flag and kind of key, begin as promised, and their links lead
 *   somewhere.
 *
 * Every check is a function from files to complaints, and is shown to complain of a planted violation.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ERRORS } from '@causeway/protocol';
import { describe, expect, test } from 'vitest';

/** Paths are relative to the root, with slashes. */
type Files = ReadonlyMap<string, string>;
type Check = (files: Files) => string[];

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const NAMES = [
  'packages',
  'test',
  'bench',
  'docs',
  'deploy',
  'docker-compose.yml',
  'README.md',
  'CHANGELOG.md',
  'LICENSE',
];
/** Everything that the checks look at. */
const FILES: Files = readFiles();

/** What a package may import of the others, and from outside beside Node itself; '*' leaves that to package.json. */
const PACKAGES: Readonly<
  Record<string, { packages: readonly string[]; libraries: readonly string[] | '*' }>
> = {
  crdt: { packages: [], libraries: [] },
  protocol: { packages: ['crdt'], libraries: ['msgpackr'] },
  replica: { packages: ['crdt', 'protocol'], libraries: [] },
  client: { packages: ['protocol'], libraries: ['ws'] },
  node: { packages: ['crdt', 'protocol', 'replica', 'client'], libraries: '*' },
  sim: { packages: ['crdt', 'protocol', 'replica', 'client'], libraries: [] },
  'wan-link': { packages: [], libraries: [] },
  cli: { packages: ['crdt', 'protocol', 'replica', 'client', 'node', 'sim', 'wan-link'], libraries: '*' },
};

const PURE = ['crdt', 'protocol', 'replica', 'sim'];

const AMBIENT: readonly (readonly [name: string, pattern: RegExp])[] = [
  ['Date.now', /\bDate\s*\.\s*now\b/],
  ['new Date()', /\bDate\s*\(\s*\)/],
  ['Math.random', /\bMath\s*\.\s*random\b/],
  ['performance', /(?<![.\w$])performance\s*\./],
  ['a timer', /(?<![.\w$])(setTimeout|setInterval|setImmediate|queueMicrotask)\b/],
  ['process', /(?<![.\w$])process\b(?!\s*\??:)/],
  ['crypto', /(?<![.\w$])crypto\s*\./],
  ['globalThis', /\bglobalThis\b/],
];

/** The files behind which a library stands. */
const BEHIND: Readonly<Record<string, readonly string[]>> = {
  ws: ['packages/client/src/websocket-node.ts', 'packages/node/src/websocket.ts'],
  level: ['packages/node/src/level.ts'],
  pino: ['packages/node/src/logger.ts'],
  'prom-client': ['packages/node/src/metrics.ts'],
  msgpackr: ['packages/protocol/src/frame.ts'],
};

const README_COMMANDS = ['npm ci && npm run demo', 'npm ci && npm test'];

describe.each<{ name: string; check: Check; planted: Readonly<Record<string, string>>[] }>([
  {
    name: 'packages import one way',
    check: direction,
    planted: [
      { 'packages/crdt/src/a.ts': "import { encodeFrame } from '@causeway/protocol';" },
      { 'packages/crdt/src/a.ts': "import fc from 'fast-check';" },
      { 'packages/protocol/src/a.ts': "export type { Replica } from '@causeway/replica';" },
      { 'packages/replica/src/a.ts': "const client = await import('@causeway/client');" },
      { 'packages/client/src/a.ts': "import {\n  type Stamp,\n} from '@causeway/crdt';" },
      { 'packages/node/src/a.test.ts': "import { startCluster } from '@causeway/cli';" },
      { 'packages/wan-link/src/a.ts': "import '@causeway/protocol';" },
      { 'packages/node/src/a.ts': "import { x } from '../../protocol/src/frame.js';" },
      { 'packages/sim/src/a.ts': "import { measure } from '../../../bench/statistics.js';" },
      { 'packages/utils/src/a.ts': '' },
    ],
  },
  {
    name: 'session and replication never meet',
    check: halves,
    planted: [
      { 'packages/replica/src/session/a.ts': "import { Intake } from '../replication/intake.js';" },
      { 'packages/replica/src/replication/a.ts': "import type { Requests } from '../session/requests.js';" },
    ],
  },
  {
    name: 'pure packages are told time and chance',
    check: ambient,
    planted: [
      'const now = Date.now();',
      'const now = new Date();',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: planted code
      'const text = `at ${Date.now()}`;',
      'const slash = /[\'"]/; const chance = Math.random();',
      'const now = performance.now();',
      'setTimeout(task, 5);',
      'const { env } = process;',
      "import { readFileSync } from 'node:fs';",
      'globalThis.crypto;',
    ].map((text) => ({ 'packages/replica/src/a.ts': text })),
  },
  {
    name: 'a library stands behind one file',
    check: oneDoor,
    planted: Object.keys(BEHIND).map((library) => ({
      'packages/node/src/a.ts': `import { x } from '${library}';`,
    })),
  },
  {
    name: 'docs/protocol.md has a row for every error code, and for no other',
    check: errorCodes,
    planted: [
      { 'docs/protocol.md': errorTable().replace(/.*CAUSEWAY_TIMEOUT.*\n/, '') },
      { 'docs/protocol.md': errorTable().replace('`CAUSEWAY_TIMEOUT` | 504', '`CAUSEWAY_TIMEOUT` | 500') },
      { 'docs/protocol.md': `${errorTable()}| \`CAUSEWAY_GONE\` | 410 | no | It has never been. |\n` },
    ],
  },
  {
    name: 'docs/operations.md names every metric and every flag',
    check: figuresAndFlags,
    planted: [
      {
        'packages/node/src/metrics.ts': "this.gauge('causeway_ready', 'Whether')",
        'docs/operations.md': 'causeway_read',
      },
      {
        'packages/node/src/settings.ts': "region: setting('region', 'NAME')",
        'docs/operations.md': '--peers',
      },
    ],
  },
  {
    name: 'docs/protocol.md names every kind of key',
    check: kindsOfKeys,
    planted: [
      {
        'packages/replica/src/store/keyspace.ts':
          'export const KIND = {\n  register: 0x72,\n  set: 0x73,\n};',
        'docs/protocol.md': 'register-key = "r" key',
      },
    ],
  },
  {
    name: 'README.md begins with a title, a sentence, and the two commands',
    check: readme,
    planted: [
      { 'README.md': readmeOf(README_COMMANDS).replace('# Causeway', 'Causeway') },
      { 'README.md': readmeOf([...README_COMMANDS].reverse()) },
      { 'README.md': readmeOf(README_COMMANDS).replace('npm test', 'npm test\nnpm run lint') },
      { 'README.md': readmeOf(README_COMMANDS).replace('```sh', '```bash') },
      { 'README.md': readmeOf(['npm ci', ...README_COMMANDS]) },
    ],
  },
  {
    name: 'relative links lead somewhere',
    check: links,
    planted: [
      { 'docs/a.md': '[b](b.md)' },
      { 'docs/a.md': 'See [b][1].\n\n[1]: ../b.md' },
      { 'docs/a.md': '[b](b.md#two)', 'docs/b.md': '# One' },
      { 'docs/a.md': '[above](#none)' },
    ],
  },
])('$name', ({ check, planted }) => {
  test('here', () => {
    expect(check(FILES)).toEqual([]);
  });

  test.each(planted.map((files) => ({ files, title: Object.values(files).join(' | ').slice(0, 70) })))(
    'not where it is planted: $title',
    ({ files }) => {
      expect(check(new Map(Object.entries(files)))).toHaveLength(1);
    },
  );
});

test('what is said of a thing is not taken for the thing', () => {
  const text = `
    // Date.now() in a comment, import { x } from '@causeway/node'
    /* setTimeout */ const message = 'its process has ended, ask Math.random';
    const pattern = /process|'/; const half = a / b; const name = event.process;
    type Event = { process: string }; const at = new Date(ms);
    const words = \`process \${half} Date.now()\`;
  `;
  const files = new Map([['packages/replica/src/a.ts', text]]);
  expect([...ambient(files), ...direction(files)]).toEqual([]);
});

function direction(files: Files): string[] {
  return sources(files).flatMap(({ path, name, text }) => {
    const allowed = PACKAGES[name];
    if (allowed === undefined) return [`${path}: the package ${name} is not in the table of this test`];
    return importsOf(text).flatMap((target) => {
      if (target.startsWith('.')) {
        const inside = posix.join(path, '..', target).startsWith(`packages/${name}/`);
        return inside ? [] : [`${path} leaves its package: ${target}`];
      }
      const other = /^@causeway\/([^/]+)/.exec(target)?.[1];
      if (other !== undefined) {
        return other === name || allowed.packages.includes(other) ? [] : [`${path} imports ${target}`];
      }
      const free = target.startsWith('node:') || allowed.libraries === '*' || isTest(path);
      return free || allowed.libraries.includes(target) ? [] : [`${path} imports ${target}`];
    });
  });
}

function halves(files: Files): string[] {
  return sources(files).flatMap(({ path, text }) => {
    const half = /^packages\/replica\/src\/(session|replication)\//.exec(path)?.[1];
    if (half === undefined) return [];
    const other = half === 'session' ? 'replication' : 'session';
    return importsOf(text)
      .filter((target) => posix.join(path, '..', target).startsWith(`packages/replica/src/${other}/`))
      .map((target) => `${path} imports ${target}`);
  });
}

function ambient(files: Files): string[] {
  return sources(files).flatMap(({ path, name, text }) => {
    if (!PURE.includes(name) || isTest(path)) return [];
    const { code } = scan(text);
    const named = AMBIENT.filter(([, pattern]) => pattern.test(code)).map(([what]) => what);
    const fromNode = importsOf(text).filter((target) => target.startsWith('node:'));
    // One complaint is enough for a file.
    return [...named, ...fromNode].slice(0, 1).map((what) => `${path} uses ${what}`);
  });
}

function oneDoor(files: Files): string[] {
  return sources(files).flatMap(({ path, text }) => {
    if (isTest(path)) return [];
    return importsOf(text)
      .filter((target) => BEHIND[target] !== undefined && !BEHIND[target].includes(path))
      .map((target) => `${path} imports ${target}, which stands behind ${BEHIND[target]?.join(' and ')}`);
  });
}

/** Rows of a table whose first cell is a code, whose second is its status. */
function errorCodes(files: Files): string[] {
  const rows = (files.get('docs/protocol.md') ?? '').matchAll(/^\| `(CAUSEWAY_[A-Z_]+)` *\| (\d+) *\|/gm);
  const found = new Map([...rows].map(([, code = '', status]) => [code, Number(status)]));
  const codes = new Map(Object.entries(ERRORS).map(([code, { status }]) => [code, status]));
  const missing = [...codes].filter(([code, status]) => found.get(code) !== status);
  const unknown = [...found].filter(([code]) => !codes.has(code));
  return [
    ...missing.map(([code, status]) => `docs/protocol.md has no row for ${code} with status ${status}`),
    ...unknown.map(([code]) => `docs/protocol.md has a row for ${code}, which is no code`),
  ];
}

function figuresAndFlags(files: Files): string[] {
  const documented = files.get('docs/operations.md') ?? '';
  const metrics = (files.get('packages/node/src/metrics.ts') ?? '').matchAll(/'(causeway_[a-z_]+)'/g);
  const flags = (files.get('packages/node/src/settings.ts') ?? '').matchAll(/setting\(\s*'([a-z-]+)'/g);
  const names = [...[...metrics].map(([, name]) => name), ...[...flags].map(([, flag]) => `--${flag}`)];
  return names
    .filter((name) => !new RegExp(`${name}(?![\\w-])`).test(documented))
    .map((name) => `docs/operations.md does not name ${name}`);
}

function kindsOfKeys(files: Files): string[] {
  const documented = files.get('docs/protocol.md') ?? '';
  const kinds = (files.get('packages/replica/src/store/keyspace.ts') ?? '').matchAll(
    /^ {2}(\w+): 0x([0-9a-f]{2}),$/gm,
  );
  return [...kinds]
    .map(([, name, hex = '']) => ({ name, letter: String.fromCharCode(Number.parseInt(hex, 16)) }))
    .filter(({ letter }) => !documented.includes(` = "${letter}"`))
    .map(({ name, letter }) => `docs/protocol.md does not name the keys of ${name}, "${letter}"`);
}

function readme(files: Files): string[] {
  const text = files.get('README.md') ?? '';
  const blocks = [...text.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map(
    ([, info, body]) => `${info}: ${body}`,
  );
  const wanted = README_COMMANDS.map((command) => `sh: ${command}\n`);
  const right = /^# .+\n\n[A-Z]/.test(text) && blocks[0] === wanted[0] && blocks[1] === wanted[1];
  return right ? [] : ['README.md does not begin with its title, a sentence, and the two commands'];
}

function links(files: Files): string[] {
  return [...files].flatMap(([path, text]) => {
    if (!path.endsWith('.md')) return [];
    const prose = text.replace(/^```[\s\S]*?^```$/gm, '').replace(/`[^`\n]*`/g, '');
    const targets = [...prose.matchAll(/\]\(([^()\s]+)\)|^\[[^\]]+\]:\s*(\S+)/gm)].map(
      ([, a, b]) => a ?? b ?? '',
    );
    return targets
      .filter((target) => !/^[a-z]+:/.test(target) && !leadsSomewhere(files, path, target))
      .map((target) => `${path}: nothing is at ${target}`);
  });
}

function leadsSomewhere(files: Files, from: string, target: string): boolean {
  const [file = '', anchor] = target.split('#');
  const path = file === '' ? from : posix.join(from, '..', file).replace(/\/$/, '');
  const text = files.get(path);
  if (anchor !== undefined) return text !== undefined && anchorsOf(text).has(anchor);
  return text !== undefined || [...files.keys()].some((known) => known.startsWith(`${path}/`));
}

/** Names that GitHub gives to headings. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of text.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/^#{1,6} (.+)$/gm)) {
    const name = heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-');
    let unique = name;
    for (let i = 1; anchors.has(unique); i++) unique = `${name}-${i}`;
    anchors.add(unique);
  }
  return anchors;
}

/** TypeScript below packages/, `name` being the package's. */
function sources(files: Files): { path: string; name: string; text: string }[] {
  return [...files].flatMap(([path, text]) => {
    const name = /^packages\/([^/]+)\/src\/.*\.ts$/.exec(path)?.[1];
    return name === undefined ? [] : [{ path, name, text }];
  });
}

function isTest(path: string): boolean {
  return path.endsWith('.test.ts') || path.includes('/testing/');
}

function importsOf(text: string): string[] {
  const { code, withTexts } = scan(text);
  return [...withTexts.matchAll(/(?<!\.)\b(?:from|import)\s*\(?\s*(['"])([^'"\n]+)\1/g)]
    .filter(({ index }) => code[index] !== ' ')
    .map(([, , target = '']) => target);
}

/**
 * The text with blanks for its comments, and `code` with blanks for what stands in quotes and patterns too: both as
 * long as the text. Holes of templates are code; a slash begins a pattern where no value can end.
 */
function scan(text: string): { code: string; withTexts: string } {
  let code = '';
  let withTexts = '';
  /** For each template around: how many braces are open in its hole. */
  const holes: number[] = [];
  const token = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|[^/'"`{}]+|[\s\S]/g;
  const blank = (found: string) => found.replace(/[^\n]/g, ' ');
  const takeTemplate = () => {
    const body = match(/(?:\\[\s\S]|\$(?!\{)|[^`\\$])*(?:`|\$\{|$)/y) ?? '';
    withTexts += body;
    code += blank(body);
    if (body.endsWith('${')) holes.push(0);
  };
  const match = (sticky: RegExp) => {
    sticky.lastIndex = token.lastIndex;
    const [found] = sticky.exec(text) ?? [];
    if (found !== undefined) token.lastIndex = sticky.lastIndex;
    return found;
  };
  for (let next = token.exec(text); next !== null; next = token.exec(text)) {
    const [found] = next;
    const depth = holes.at(-1);
    const comment = found.startsWith('//') || found.startsWith('/*');
    withTexts += comment ? blank(found) : found;
    code += comment || /^['"`]/.test(found) ? blank(found) : found;
    if (found === '`') takeTemplate();
    else if (found === '{' && depth !== undefined) holes[holes.length - 1] = depth + 1;
    else if (found === '}' && depth !== undefined) {
      if (depth > 0) holes[holes.length - 1] = depth - 1;
      else {
        holes.pop();
        takeTemplate();
      }
    } else if (
      found === '/' &&
      /(?:^|[(,=:[!&|?{};+*%<>~^-]|\b(?:return|case|typeof|of|in))\s*\/$/.test(code)
    ) {
      const pattern = match(/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*/y) ?? '';
      withTexts += blank(pattern);
      code += blank(pattern);
    }
  }
  return { code, withTexts };
}

function errorTable(): string {
  return Object.entries(ERRORS)
    .map(([code, { status }]) => `| \`${code}\` | ${status} | no | Meaning. |\n`)
    .join('');
}

function readmeOf(commands: readonly string[]): string {
  const blocks = commands.map((command) => `\`\`\`sh\n${command}\n\`\`\`\n`);
  return `# Causeway\n\nA sentence.\n\n${blocks.join('\n')}`;
}

/** Contents of sources and documents; of everything else only that it is there. */
function readFiles(): Files {
  const files = new Map<string, string>();
  const visit = (path: string) => {
    const full = posix.join(ROOT, path);
    if (statSync(full).isFile()) {
      files.set(path, /\.(ts|md)$/.test(path) ? readFileSync(full, 'utf8') : '');
      return;
    }
    for (const name of readdirSync(full)) {
      if (!/^(\..*|node_modules|dist)$/.test(name)) visit(posix.join(path, name));
    }
  };
  for (const name of NAMES) visit(name);
  return files;
}
