/** What is asked of Prometheus, and of the files that it and Grafana are given. */
import { readFile } from 'node:fs/promises';

export interface Rule {
  readonly type: 'recording' | 'alerting';
  readonly name: string;
  readonly query: string;
  readonly health: string;
  readonly lastError?: string;
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const TIMEOUT_MS = 10_000;

export class Prometheus {
  constructor(private readonly url: string) {}

  async query(expression: string): Promise<Sample[]> {
    const { result } = await this.get<{ result: { metric: Sample['labels']; value: [number, string] }[] }>(
      `/api/v1/query?query=${encodeURIComponent(expression)}`,
    );
    return result.map(({ metric, value: [, value] }) => ({ labels: metric, value: Number(value) }));
  }

  async rules(): Promise<Rule[]> {
    const { groups } = await this.get<{ groups: { rules: Rule[] }[] }>('/api/v1/rules');
    return groups.flatMap(({ rules }) => rules);
  }

  /** Health by the address that is scraped. */
  async targets(): Promise<Record<string, string>> {
    const { activeTargets } = await this.get<{
      activeTargets: { labels: { instance: string }; health: string }[];
    }>('/api/v1/targets?state=active');
    return Object.fromEntries(activeTargets.map(({ labels, health }) => [labels.instance, health]));
  }

  private async get<T>(path: string): Promise<T> {
    const response = await fetch(new URL(path, this.url), { signal: AbortSignal.timeout(TIMEOUT_MS) });
    const body = (await response.json()) as { data: T; error?: string };
    if (!response.ok) throw new Error(`${path}: ${body.error}`);
    return body.data;
  }
}

/** Names of the series that an expression is made of. */
export function seriesOf(expression: string): string[] {
  return [...new Set(expression.match(/\b(?:causeway|haproxy|region)[\w:]*[_:]\w+|\bup\b/g))];
}

/** Every expression of the dashboard, by the panel that shows it. */
export async function dashboardExpressions(): Promise<{ panel: string; expression: string }[]> {
  const file = new URL('../../deploy/grafana/dashboards/causeway.json', import.meta.url);
  const { panels } = JSON.parse(await readFile(file, 'utf8')) as {
    panels: { title: string; targets: { expr: string }[] }[];
  };
  return panels.flatMap(({ title, targets }) =>
    targets.map(({ expr }) => ({ panel: title, expression: expr })),
  );
}
