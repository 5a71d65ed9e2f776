import * as v from 'valibot'
import type { AuditReport } from '../../fleet/audit/report.ts'
import { reportSchema } from '../../fleet/audit/reportSchema.ts'
import { usageError } from '../exit.ts'
import { readTextFile } from '../files.ts'
import { sanitize } from '../output.ts'

/** Bytes of a report at most: ten times the size of a report of 10,000 credentials. */
const MAX_REPORT_BYTES = 256 * 1024 * 1024

/** Reads an earlier report that `audit --json` has printed. @throws CommandError if the file is not such a report */
export async function readBaseline(path: string): Promise<AuditReport> {
  const text = await readTextFile(path, '--baseline', MAX_REPORT_BYTES)
  const result = v.safeParse(v.pipe(v.string(), v.parseJson(), reportSchema), text, { abortEarly: true })
  if (result.success) return result.output
  throw usageError(
    `--baseline ${sanitize(path)}: it is not a report of keyturn audit --json (${sanitize(v.getDotPath(result.issues[0]) ?? 'its form')})`,
    'Name a file that `keyturn audit --json` of this version has printed.',
  )
}

/**
 * Checks that a baseline is of the audited account and stage: with another one, every finding would be new.
 * @throws CommandError
 */
export function requireSameFleet(
  baseline: AuditReport,
  { account, stage }: Pick<AuditReport, 'account' | 'stage'>,
): void {
  if (baseline.account === account && baseline.stage === stage) return
  throw usageError(
    `the baseline is of the account ${sanitize(baseline.account)} and the stage ${sanitize(baseline.stage)}, but this audit is not`,
    'Name a report of the same account and stage.',
  )
}
