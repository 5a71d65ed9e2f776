/** The version that is pending and not current: after a rotation that went well, one version is both. */
export function pendingIn(versions: Record<string, string[]> = {}): string | undefined {
  const found = Object.entries(versions).find(
    ([, stages]) => stages.includes('AWSPENDING') && !stages.includes('AWSCURRENT'),
  )
  return found?.[0]
}
