import { expect, test } from 'vitest'
import { Report } from '../../../rotation/check/report.ts'
import { NotPermitted, type Unexpected } from '../../../rotation/errors.ts'

test('an unknown error is logged with its place in the code, without its message', async () => {
  const noted: Unexpected[] = []
  const report = new Report(error => noted.push(error))
  await report.look('privileges', () => {
    throw new TypeError('cannot read the-password')
  })
  await report.look('admin', () => {
    throw new NotPermitted('no')
  })
  const [line] = report.lines().filter(({ line }) => line === 'privileges')
  expect(line).toMatchObject({ error: 'Unexpected', remedy: expect.stringContaining('the log') })
  expect(noted.map(({ stack }) => stack)).toEqual([expect.stringContaining('report.fast.test.ts')])
  expect(`${noted[0]?.stack} ${JSON.stringify(report.lines())}`).not.toContain('the-password')
})
