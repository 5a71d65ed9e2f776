import { expect, test } from 'vitest'

/**
 * One behaviour that AWS documents. `run` makes the calls, and `aws` is what they return on AWS. `moto` and `ministack`
 * are what they return on these emulators, where that differs. MiniStack is the one with this project's changes. What AWS
 * does not document explicitly is marked (?).
 */
export type Case<Subject> = {
  title: string
  run(subject: Subject): Promise<unknown>
  aws: unknown
  moto?: unknown
  ministack?: unknown
}

/**
 * Makes one test for each case. `makeSubject` makes the clients of a server that must answer as `server` does. A test fails
 * also if an emulator that is known to differ from AWS no longer does.
 */
export function tryCases<Subject>(
  cases: Case<Subject>[],
  server: 'aws' | 'moto' | 'ministack',
  makeSubject: () => Subject,
): void {
  for (const each of cases) {
    const { title, run, aws, [server]: instead = aws } = each
    test(instead === aws ? title : `not as AWS: ${title}`, async () => {
      const found = await run(makeSubject())
      expect(found).toEqual(instead)
      if (instead !== aws) expect(found).not.toEqual(aws)
    })
  }
}
