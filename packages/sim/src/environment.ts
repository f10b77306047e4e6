/** What a replica is given of the world here: chance from the seed, and ears that count and trace. */
import type { Environment, Log } from '@causeway/replica';
import type { Prng } from './prng.js';
import type { Trace } from './trace.js';
import { show } from './violation.js';

/** `told` counts what the replicas say: log lines by level and text, telemetry by name. */
export function observedEnvironment(
  machine: number,
  prng: Prng,
  trace: Trace,
  told: Map<string, number>,
  readNow: Environment['readNow'],
): Environment {
  const count = (what: string): void => {
    told.set(what, (told.get(what) ?? 0) + 1);
  };
  const logged =
    (level: keyof Log) =>
    (fields: object, message: string): void => {
      count(`log ${level}: ${message}`);
      trace.note(machine, `log ${level}`, message, show(fields));
    };
  return {
    random: () => prng.random(),
    readNow,
    log: { debug: logged('debug'), info: logged('info'), warn: logged('warn'), error: logged('error') },
    telemetry: {
      lag: () => count('lag measured'),
      ack: () => count('ack measured'),
      convergence: () => count('convergence measured'),
      duplicateChunk: () => count('duplicate chunks'),
      repairSession: (_peer, outcome) => count(`repairs ${outcome}`),
      repairRecords: () => count('repair records'),
      conflict: (type) => count(`conflicts ${type}`),
      write: (type) => count(`writes ${type}`),
      read: (type) => count(`reads ${type}`),
    },
  };
}
