import { describe, expect, test } from 'vitest';
import { add, clear, del, increment, put, remove, reset } from '../testing/operations.js';
import { Rig } from '../testing/rig.js';
import { clears, ScriptedPeer } from '../testing/scripted-peer.js';

describe('a listing of keys', () => {
  test('goes by type and then by the bytes of the key', () => {
    const node = new Rig();
    // UTF-16 order would put the emoji before the full-width letter.
    for (const key of ['b', 'a', 'ä', '\u{1f600}', '\uff21', 'a\0', 'a\0b']) node.run(put(key, 1));
    node.run(add('s', 'x'), increment('c', 1));
    expect(node.keys().keys).toEqual([
      'counter:c',
      ...['a', 'a\0', 'a\0b', 'b', 'ä', '\uff21', '\u{1f600}'].map((key) => `register:${key}`),
      'set:s',
    ]);
  });

  test('leaves out what holds nothing', () => {
    const node = new Rig();
    node.run(
      put('gone', 1),
      put('short', 1, 1_000),
      add('emptied', 'x'),
      add('cleared', 'x'),
      increment('zero', 2),
    );
    node.run(increment('back', 2), put('null', null), add('kept', 'x'), increment('minus', -1));
    node.run(del('gone'), remove('emptied', 'x'), clear('cleared'), reset('zero'), increment('back', -2));
    node.pass(1_500);
    expect(node.keys().keys).toEqual(['counter:minus', 'register:null', 'set:kept']);
  });

  test('leaves out what expires between the commit and the timer', () => {
    const node = new Rig();
    node.run(put('short', 1, 1_000));
    node.holdScans = true;
    node.pass(1_001);
    node.scans = [];
    node.holdScans = false;
    expect(node.keys().keys).toEqual([]);
  });

  test('keeps to a type and to a prefix', () => {
    const node = new Rig();
    for (const key of ['a', 'ab', 'ac', 'b', '\uffff', '\uffffx']) node.run(put(key, 1), add(key, 1));
    expect(node.keys({ keyType: 'set', prefix: 'a' }).keys).toEqual(['set:a', 'set:ab', 'set:ac']);
    expect(node.keys({ prefix: '\uffff', keyType: 'register' }).keys).toEqual([
      'register:\uffff',
      'register:\uffffx',
    ]);
    expect(node.keys({ keyType: 'counter' }).keys).toEqual([]);
  });

  test('comes in pages that together are the whole, and the last names no next one', () => {
    const node = new Rig();
    for (let i = 0; i < 7; i++) node.run(put(`r${i}`, 1), add(`s${i}`, 1), increment(`c${i}`));
    const pages: string[][] = [];
    let after: string | undefined;
    do {
      const page = node.keys({ limit: 4, ...(after === undefined ? {} : { after }) });
      pages.push(page.keys);
      after = page.after;
    } while (after !== undefined);
    expect(pages.map(({ length }) => length)).toEqual([4, 4, 4, 4, 4, 1]);
    expect(pages.flat()).toEqual(node.keys().keys);
    expect(node.keys({ limit: 21 })).not.toHaveProperty('after');
  });

  test('goes on where it was although keys come and go between pages', () => {
    const node = new Rig();
    for (const key of ['a', 'c', 'e', 'g']) node.run(put(key, 1));
    const { keys, after } = node.keys({ limit: 2 });
    node.run(del('c'), put('b', 1), put('d', 1), del('g'));
    expect(keys).toEqual(['register:a', 'register:c']);
    expect(node.keys({ after: after! }).keys).toEqual(['register:d', 'register:e']);
  });

  test('refuses a position that is none', () => {
    const node = new Rig();
    for (const after of ['x', '', 'list:a', 'registera']) {
      expect(() => node.keys({ after })).toThrow('position');
    }
    expect(() => node.keys({ after: 'set:a', keyType: 'register' })).toThrow('position');
  });

  test('of a set that is being counted looks for one element that is live', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    node.run(add('all', 1), add('some', 1));
    peer.seen.set(node.id, 1);
    node.run(add('some', 2));
    node.holdScans = true;
    peer.writes(clears('all'), clears('some'));
    const purges = node.scans;
    node.scans = [];
    node.holdScans = false;
    expect(node.keys().keys).toEqual(['set:some']);
    node.scans = purges;
    node.pump();
    node.pass(2_500);
    expect(node.keys().keys).toEqual(['set:some']);
  });

  test('that cannot be read fails', () => {
    const node = new Rig();
    node.run(put('a', 1));
    node.holdScans = true;
    const { session, request } = node.listKeys();
    node.failRead(node.scans[0]!);
    expect(node.answersTo(session, request)).toMatchObject([
      { type: 'failure', error: { code: 'CAUSEWAY_READ_FAILED' } },
    ]);
  });

  test('that is under way when a write fails is begun again', () => {
    const node = new Rig();
    node.run(put('a', 'old'));
    node.holdScans = true;
    const under = node.listKeys();
    node.holdWrites = true;
    node.ask(1, put('a', 'new'));
    const behind = node.listKeys({}, 1);
    node.failWrite();
    node.scans = [];
    node.reopen();
    node.releaseAll();
    expect(node.answersTo(under.session, under.request)).toHaveLength(1);
    expect(node.answersTo(behind.session, behind.request)).toHaveLength(1);
  });
});
