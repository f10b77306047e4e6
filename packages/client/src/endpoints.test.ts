import { expect, test } from 'vitest';
import { Endpoints } from './endpoints.js';

const half = () => 0.5;

function take(endpoints: Endpoints, count: number): { urls: string[]; pauses: number[] } {
  const urls: string[] = [];
  const pauses: number[] = [];
  for (let i = 0; i < count; i++) {
    urls.push(endpoints.take());
    pauses.push(endpoints.pauseMs());
  }
  return { urls, pauses };
}

test('endpoints are dialled in turn, with a pause after every round that grows to a second', () => {
  const endpoints = new Endpoints(['ws://a:1', 'ws://b:2'], half);
  const { urls, pauses } = take(endpoints, 16);
  expect(urls.slice(0, 3)).toEqual(['ws://a:1/v1/ws', 'ws://b:2/v1/ws', 'ws://a:1/v1/ws']);
  expect(pauses).toEqual([0, 37.5, 0, 75, 0, 150, 0, 300, 0, 600, 0, 750, 0, 750, 0, 750]);
});

test('pauses differ by chance, so that clients do not come back all at once', () => {
  const shortest = take(new Endpoints(['ws://a:1'], () => 0), 5).pauses;
  const longest = take(new Endpoints(['ws://a:1'], () => 0.999), 5).pauses;
  expect(shortest).toEqual([25, 50, 100, 200, 400]);
  expect(longest.every((pause, i) => pause > shortest[i]! * 1.9)).toBe(true);
});

test('after a good connection the next endpoint is dialled at once, but a lone one after a pause', () => {
  const several = new Endpoints(['ws://a:1', 'ws://b:2'], half);
  take(several, 5);
  several.good();
  expect(several.pauseMs()).toBe(0);
  const one = new Endpoints(['ws://a:1'], half);
  take(one, 5);
  one.good();
  expect(one.pauseMs()).toBe(37.5);
});

test.each([
  { endpoint: 'ws://a:1', want: 'ws://a:1/v1/ws' },
  { endpoint: 'wss://a/', want: 'wss://a/v1/ws' },
  { endpoint: 'wss://a/behind/proxy', want: 'wss://a/behind/proxy/v1/ws' },
  { endpoint: 'ws://a:1/v1/ws', want: 'ws://a:1/v1/ws' },
])('$endpoint is dialled at $want', ({ endpoint, want }) => {
  expect(new Endpoints([endpoint], half).take()).toBe(want);
});
