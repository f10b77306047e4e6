/** What to try against the regions of the demo while they run. Pure. */
import type { Colors } from '../terminal/output.js';
import { KEYS } from './workload.js';

export interface RegionUrls {
  readonly client: string;
  readonly http: string;
  readonly admin: string;
}

export function tryIt(regions: readonly RegionUrls[], colors: Colors): string[] {
  const [first, second, third] = regions;
  if (first === undefined || second === undefined || third === undefined) return [];
  const admins = regions.map(({ admin }) => new URL(admin).host).join(',');
  const comment = (text: string) => colors.dim(`  # ${text}`);
  const command = (text: string) => `  ${colors.cyan(text)}`;
  return [
    `${colors.bold('Your turn.')} The regions run until Ctrl-C. In another terminal, in this folder:`,
    '',
    comment('a like in Sydney, read in London'),
    command(`curl -X POST ${third.http}/v1/counters/${KEYS.likes} -d '{"by": 5}'`),
    command(`curl ${first.http}/v1/counters/${KEYS.likes}`),
    comment('the same by the command'),
    command(`npx causeway set ${KEYS.headline} Hello --node ${second.client}`),
    command(`npx causeway get ${KEYS.headline} --node ${first.client}`),
    command(`npx causeway status --admin ${admins}`),
    comment('and from a program'),
    command("import { connect } from '@causeway/client';"),
    command(`const db = await connect({ endpoints: ['${first.client}'] });`),
    command(`await db.set('${KEYS.cart}').add('milk');`),
  ];
}
