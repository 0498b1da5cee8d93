import { expect, it } from 'vitest';
import { linkTo, placeIn } from '../../../packages/console/src/app/place.js';

it('reads back the place and the filters of a link', () => {
  const filters = { username: 'a&b=c#d %', ip: '2001:db8::/32' };
  expect(placeIn(linkTo(['logins', 'a/b ?'], filters))).toEqual({ path: ['logins', 'a/b ?'], filters });
  expect(linkTo(['logins'], { state: '', ip: undefined })).toBe('#/logins');
});

it.each(['', '#', '#/', '#/?', '#/?state=', '#//'])('takes %j for the start', (fragment) => {
  expect(placeIn(fragment)).toEqual({ path: [], filters: {} });
});

it('survives a broken fragment', () => {
  expect(placeIn('#/logins/%E0%A4%A?ip=%&ip=1&x')).toEqual({
    path: ['logins', '%E0%A4%A'],
    filters: { ip: '1' },
  });
});
