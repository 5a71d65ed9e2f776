/** The staging labels of a secret's versions, by version id: SecretVersionsToStages, as Secrets Manager gives it. */
type LabelsByVersion = Record<string, string[]>

/** The id of a secret's current version. */
export const currentVersionIn = (versions: LabelsByVersion = {}): string | undefined =>
  Object.entries(versions).find(([, stages]) => stages.includes('AWSCURRENT'))?.[0]

/** The id of a secret's pending version, unless it is current as well: after a rotation that succeeded, one version is both. */
export function pendingVersionIn(versions: LabelsByVersion = {}): string | undefined {
  const found = Object.entries(versions).find(
    ([, stages]) => stages.includes('AWSPENDING') && !stages.includes('AWSCURRENT'),
  )
  return found?.[0]
}
