/** `causeway conflicts`: writes that met one that their writer had not seen, and which of the two stayed. */
import type { Command } from 'commander';
import { readJson } from '../node-api.js';
import type { Output } from '../terminal/output.js';
import { formatTable } from '../terminal/table.js';
import { clip } from '../terminal/text.js';
import { parseWhole } from './arguments.js';
import { type NodeOptions, nodeCommand } from './node-command.js';

export interface ConflictSide {
  /** Absent: the write removed. */
  readonly value?: unknown;
  readonly replica: string;
}

export interface Conflict {
  readonly type: string;
  readonly key: string;
  readonly winner: ConflictSide;
  readonly loser: ConflictSide;
  /** Milliseconds since 1970. */
  readonly at: number;
}

interface ConflictPage {
  readonly conflicts: readonly Conflict[];
  readonly after: string;
}

const LIMIT_DEFAULT = 20;
const COLUMNS_MAX = 24;

export function conflictsCommand(output: Output): Command {
  return nodeCommand('conflicts', "list the newest of this node's last 1,000 conflicts, oldest first")
    .option('--limit <count>', 'at most so many', parseWhole, LIMIT_DEFAULT)
    .action(async (options: NodeOptions & { limit: number }) => {
      const conflicts = (await readConflicts(options.node)).conflicts.slice(-options.limit);
      if (options.json === true) for (const conflict of conflicts) output.print(JSON.stringify(conflict));
      else if (conflicts.length === 0) output.print('no conflicts');
      else output.print(table(conflicts, output));
    });
}

/** Conflicts of a node, oldest first; with `after` those since the answer that it is from. */
export async function readConflicts(node: string, after?: string): Promise<ConflictPage> {
  return (await readJson(node, '/v1/conflicts', { after, limit: '1000' })) as ConflictPage;
}

function table(conflicts: readonly Conflict[], { colors }: Output): string {
  const columns = ['at', 'type', 'key', 'stays', 'by', 'lost', 'by'].map((title) => ({ title }));
  const rows = conflicts.map(({ at, type, key, winner, loser }) => [
    new Date(at).toISOString().slice(11, 23),
    type,
    clip(key, COLUMNS_MAX),
    colors.green(describeSide(winner)),
    regionOf(winner),
    colors.red(describeSide(loser)),
    regionOf(loser),
  ]);
  return formatTable(columns, rows, colors);
}

export function describeSide({ value }: ConflictSide): string {
  return value === undefined ? '(removed)' : clip(JSON.stringify(value), COLUMNS_MAX);
}

export function regionOf({ replica }: ConflictSide): string {
  return replica.slice(0, replica.lastIndexOf('.'));
}
