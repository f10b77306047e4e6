/** What is known of a call that was lost with its connection. */
import type { Operation } from '@causeway/protocol';
import { expect, test } from 'vitest';
import type { Client } from './client.js';
import { Departures } from './departures.js';
import { Directories } from './directories.js';
import { type Call, sees } from './history.js';
import { type Simulation, simulate } from './simulator.js';
import { calm } from './testing/calm.js';

const KEY = 'resettable:0';

function call({ scheduler }: Simulation, client: Client, operation: Operation): Call {
  client.connect();
  const made = client.call([operation]) as Call;
  scheduler.until(() => made.outcome === 'acknowledged', 5000);
  return made;
}

test('a reset without an answer took effect, and its directory is deleted: it had seen what was there, and no more', () => {
  const simulation = simulate({ seed: 1, nodes: 3, adjust: calm() });
  const { cluster, scheduler, history } = simulation;
  simulation.form();
  simulation.run(2000);
  const [first, second] = [simulation.client(0), simulation.client(1)];
  const before = call(simulation, first, { op: 'counter.increment', key: KEY, by: 5 });

  const departures = new Departures(cluster, scheduler, history);
  const directories = new Directories(cluster, history, departures, () => undefined);
  const reset = first.call([{ op: 'counter.reset', key: KEY }]) as Call;
  // It is executed, and nobody hears the answer.
  simulation.run(0.5);
  first.disconnect();
  simulation.run(1000);
  directories.remove(cluster.node(0));
  // The new process has nothing yet.
  expect(scheduler.until(() => first.connect(), 1000)).toBe(true);
  expect(cluster.durable(0)?.ceiling.size).toBe(0);
  simulation.run(10_000);
  const after = call(simulation, second, { op: 'counter.increment', key: KEY, by: 3 });

  expect(reset.outcome).toBe('unknown');
  expect(sees(reset, before)).toBe('yes');
  expect(sees(reset, after)).toBe('no');
  // The checkers agree.
  const { results } = call(simulation, second, { op: 'counter.get', key: KEY });
  expect(results).toMatchObject([{ value: 3 }]);
  simulation.healAndSettle();
});
