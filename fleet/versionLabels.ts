type LabelsByVersion = Record<string, string[]>

/** The version of a secret that is current. */
export const currentVersionIn = (versions: LabelsByVersion = {}): string | undefined =>
  Object.entries(versions).find(([, stages]) => stages.includes('AWSCURRENT'))?.[0]

/** The version that is pending and not current: after a rotation that went well, one version is both. */
export function pendingVersionIn(versions: LabelsByVersion = {}): string | undefined {
  const found = Object.entries(versions).find(
    ([, stages]) => stages.includes('AWSPENDING') && !stages.includes('AWSCURRENT'),
  )
  return found?.[0]
}
