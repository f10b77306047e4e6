/**
 * A file of real order lines over regions of the world: stock counters, prices, and who bought what, written where the
 * customers are. What every region holds at the end is held against a single-threaded replay of the file; a run that
 * differs fails. The check and the way of a line are those of `causeway replay`.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { replay as play } from '@causeway/cli';
import { bytesDelivered, layout, startRegions } from '../harness/regions.js';
import { defineSuite } from '../harness/suite.js';

const TIMEOUT_MS = 300_000;
const NAME = 'online-retail-2011-jul-oct.csv.gz';

export const replay = defineSuite({
  name: 'replay',
  title: 'Replay of order lines',
  about: 'a file of order lines over three regions of the world, checked against a single-threaded replay',
  isQuick: false,
  options: {
    file: {
      about: `CSV of order lines, also gzipped; without it ${NAME} in the directory named by CAUSEWAY_TEST_DATA`,
      value: '',
    },
    links: { about: 'matrix of distances: three or world', value: 'world' },
    regions: { about: 'number of regions', value: 3 },
    batch: { about: 'lines in one transaction', value: 100 },
  },
  run: async ({ file, links, regions: count, batch }, recorder) => {
    const path = file === '' ? join(process.env['CAUSEWAY_TEST_DATA'] ?? '', NAME) : file;
    if (!existsSync(path)) throw new Error(HOW_TO_GET_IT);
    const where = layout(links, count);
    recorder.tell(`starting ${where.regions.join(', ')}`);
    const cluster = await startRegions(where);
    try {
      const before = bytesDelivered(cluster);
      const report = await play(
        {
          file: path,
          nodes: cluster.nodes.map(({ urls }) => urls.client),
          admins: cluster.nodes.map(({ urls }) => urls.admin),
          prefix: '',
          linesPerTransaction: batch,
          timeoutMs: TIMEOUT_MS,
          signal: AbortSignal.timeout(10 * TIMEOUT_MS),
        },
        {
          counted: (lines) => recorder.tell(`playing ${lines.join(' + ')} lines`),
          played: () => recorder.tell('waiting for the regions to be equal'),
          waiting: () => {},
        },
      );
      const bytes = bytesDelivered(cluster) - before;
      const lines = report.lines.reduce((sum, some) => sum + some, 0);
      const wrong = report.differences.reduce(
        (sum, { counters, sets, registers }) => sum + counters.length + sets.length + registers.length,
        0,
      );
      recorder.figure('lines', '', lines);
      recorder.figure('lines per second, all regions', '/s', lines / report.playSeconds, {
        better: 'higher',
      });
      recorder.figure('every line in every region after the last', 'ms', report.equalSeconds * 1000, {
        better: 'lower',
      });
      recorder.figure('bytes on the links for each line and region', 'B', bytes / lines / (count - 1), {
        better: 'lower',
      });
      recorder.figure('records that differ from the single-threaded replay', '', wrong, {
        aim: { atMost: 0 },
      });
      recorder.figure('different digests', '', new Set(report.digests).size, { aim: { atMost: 1 } });
    } finally {
      await cluster.stop();
    }
    recorder.note(`Regions ${where.regions.join(', ')}; each customer at one of them. ${SOURCE}`);
  },
});

const SOURCE = 'Data: Online Retail, D. Chen, UCI Machine Learning Repository, 2015, CC BY 4.0.';
const HOW_TO_GET_IT =
  'the replay needs a file of order lines: download Online Retail (https://archive.ics.uci.edu/dataset/352/online+retail), ' +
  'save the sheet as CSV with its column names, and name it with --file';
