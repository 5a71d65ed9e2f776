import { expect, test } from 'vitest'

/**
 * One thing that AWS documents. `aws` is what comes of it; `moto` and `ministack` are what those make of it instead, where
 * they differ. MiniStack is the mended one. What AWS does not document in so many words is marked (?).
 */
export type Case<Subject> = {
  title: string
  run(subject: Subject): Promise<unknown>
  aws: unknown
  moto?: unknown
  ministack?: unknown
}

/** One test for each case, on what is to answer as `server` does. Where that is known to differ from AWS, it must. */
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
