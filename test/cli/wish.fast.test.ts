import { expect, test } from 'vitest'
import { wishProblem } from '../../cli/enrol/wish.ts'

test.each([
  [{ every: '30d!' }, 'It has "!", which a tag cannot hold'],
  [{ every: `30d${' '.repeat(300)}` }, 'It has 303 characters, which a tag cannot hold'],
  [{ schedule: 'rate(1 day)', duration: '2' }, 'It should be a number of hours'],
  [{ every: '30d' }, undefined],
])('the problem of the answer %j is a sentence about the answer: %s', (wish, problem) => {
  expect(wishProblem(wish)).toBe(problem)
})
