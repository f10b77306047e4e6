import { replicaId } from '@causeway/crdt';
import { describe, expect, test } from 'vitest';
import { Clocks } from './clocks.js';

const [EU, US, AP, SA] = ['eu', 'us', 'ap', 'sa'].map((region) => replicaId(`${region}.00000001`));
const BOUND_MS = 500;

/** Time, and peers whose clocks are ahead by so many ms. `toMs` and `fromMs`: how long a ping takes each way. */
function setup() {
  const clocks = new Clocks(BOUND_MS);
  const time = { monotonic: 10_000, wall: 1_700_000_000_000 };
  /** What the clock of whom nobody sets would say. */
  let truth = time.wall;
  const pass = (ms: number) => {
    time.monotonic += ms;
    time.wall += ms;
    truth += ms;
  };
  return {
    clocks,
    time,
    pass,
    set: (ms: number) => {
      time.wall += ms;
    },
    ping: (replica = EU, { ahead = 0, toMs = 20, fromMs = 20 } = {}) => {
      const sentAt = time.monotonic;
      pass(toMs);
      const receivedAt = truth + ahead;
      pass(fromMs);
      clocks.measured(replica!, sentAt, receivedAt, time);
    },
    offset: (replica = EU) => clocks.offsetMs(replica!, time),
    judge: (...others: (typeof EU)[]) => clocks.judge(others as NonNullable<typeof EU>[], time),
  };
}

describe('the offset of a peer', () => {
  test('is that of the quickest round trip', () => {
    const { ping, offset, clocks, time } = setup();
    expect(offset()).toBeUndefined();
    ping(EU, { ahead: 50, toMs: 20, fromMs: 60 });
    expect(offset()).toBe(30);
    ping(EU, { ahead: 50 });
    ping(EU, { ahead: 50, toMs: 200, fromMs: 20 });
    expect(offset()).toBe(50);
    expect(clocks.roundTripMs(EU!, time)).toBe(40);
  });

  test('is not spoilt by pings that wait behind much else, for minutes', () => {
    const { ping, pass, offset } = setup();
    ping(EU, { ahead: 50 });
    for (let i = 0; i < 120; i++) {
      pass(400);
      ping(EU, { ahead: 50, toMs: 20, fromMs: 80 });
    }
    expect(offset()).toBe(50);
  });

  test('of a clock that drifts is followed: what is old is doubted', () => {
    const { ping, pass, offset } = setup();
    ping(EU, { ahead: 0 });
    for (let second = 1; second <= 600; second++) {
      pass(960);
      ping(EU, { ahead: second * 0.1, fromMs: 21 });
    }
    expect(offset()).toBeGreaterThan(57);
    expect(offset()).toBeLessThan(62);
  });

  test('of a clock that was set is right at once, however quick the pings before were', () => {
    const { ping, offset } = setup();
    ping(EU, { ahead: 0 });
    ping(EU, { ahead: 600_000, toMs: 90, fromMs: 90 });
    expect(offset()).toBe(600_000);
    ping(EU, { ahead: 0, toMs: 90, fromMs: 90 });
    expect(offset()).toBe(0);
  });

  test('changes at once when the own clock is set', () => {
    const { ping, set, offset } = setup();
    ping(EU, { ahead: 50 });
    set(600_000);
    expect(offset()).toBe(50 - 600_000);
  });
});

describe('the own clock', () => {
  test.each([
    { name: 'two of three agree that it is off', ahead: [600_000, 600_100], want: 600_100 },
    { name: 'behind as well as ahead', ahead: [-2_000, -1_900], want: -1_900 },
    { name: 'off within the bound is right', ahead: [400, 450], want: undefined },
    { name: 'two who do not agree know nothing', ahead: [600_000, 900_000], want: undefined },
    { name: 'one of two may be the wrong one', ahead: [600_000], want: undefined },
    { name: 'with one other that agrees it is right', ahead: [0, 600_000], want: undefined },
    { name: 'three of four have to agree', ahead: [600_000, 600_000, 0], want: undefined },
    { name: 'three of four do agree', ahead: [600_000, 600_000, 600_200], want: 600_000 },
  ])('$name', ({ ahead, want }) => {
    const { ping, judge } = setup();
    const others = [EU, US, AP].slice(0, ahead.length);
    others.forEach((replica, index) => {
      ping(replica, { ahead: ahead[index]! });
    });
    expect(judge(...others)).toBe(want);
  });

  test('is judged by those that were measured, of all that there are', () => {
    const { ping, judge } = setup();
    ping(EU, { ahead: 600_000 });
    ping(US, { ahead: 600_000 });
    expect(judge(EU, US, AP, SA)).toBeUndefined();
    ping(AP, { ahead: 600_000 });
    expect(judge(EU, US, AP, SA)).toBe(600_000);
  });

  test('is off at once when it is set wrong, and right when it is set back, without a ping', () => {
    const { ping, set, judge } = setup();
    ping(EU);
    ping(US);
    set(600_000);
    expect(judge(EU, US)).toBe(-600_000);
    set(-600_000);
    expect(judge(EU, US)).toBeUndefined();
  });

  test('is not judged by what was measured long ago', () => {
    const { ping, set, pass, judge } = setup();
    ping(EU);
    ping(US);
    set(600_000);
    pass(500_000);
    expect(judge(EU, US)).toBe(-600_000);
    pass(200_000);
    expect(judge(EU, US)).toBeUndefined();
  });

  test('is back only when it is clearly within the bound', () => {
    const { ping, set, judge } = setup();
    ping(EU);
    ping(US);
    set(600);
    expect(judge(EU, US)).toBe(-600);
    set(-150);
    expect(judge(EU, US)).toBe(-450);
    set(-100);
    expect(judge(EU, US)).toBeUndefined();
  });
});
