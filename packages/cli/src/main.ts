import { runStart } from '@causeway/node';

const [command, ...rest] = process.argv.slice(2);
if (command === 'start') {
  process.exit(await runStart(rest, { env: process.env, complain: (text) => console.error(text) }));
}
