/** The process of one replica: `replica-process.js PEER-FILE OPTIONS`, with a channel to the benchmark. It ends with the channel. */
import type { Answer, Entry, OpenReplica, Replica, ReplicaOptions, Request } from './replica.js';
import { Turn } from './replica.js';

const [file = '', options = ''] = process.argv.slice(2);
process.once('disconnect', () => process.exit());
const { openReplica } = (await import(`./${file}.js`)) as { openReplica: OpenReplica };
const replica = await openReplica(JSON.parse(options) as ReplicaOptions);
serve(replica);
send({ op: 'ready', shared: replica.shared });

function serve(replica: Replica): void {
  const puts = new Turn<{ readonly id: number; readonly entries: readonly Entry[] }>((requests) => {
    const put = async () => replica.put(requests.flatMap(({ entries }) => entries));
    put().then(
      () => {
        for (const { id } of requests) send({ op: 'done', id });
      },
      (error: Error) => {
        for (const { id } of requests) send({ op: 'failed', id, message: error.message });
      },
    );
  });
  const changes = new Turn<readonly string[]>((keys) => send({ op: 'changed', keys: keys.flat() }));
  process.on('message', (request: Request) => {
    if (request.op === 'put') return puts.add(request);
    if (request.op === 'watch') {
      replica.watch((keys) => changes.add(keys));
      return send({ op: 'done', id: request.id });
    }
    const get = async () => replica.get(request.key);
    get().then(
      (value) => send({ op: 'done', id: request.id, value }),
      (error: Error) => send({ op: 'failed', id: request.id, message: error.message }),
    );
  });
}

function send(answer: Answer): void {
  process.send?.(answer);
}
