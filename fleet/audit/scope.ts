import type { RegionFacts } from './facts.ts'

/** Which Regions were looked at, and that no other was: what there is in those, nobody has said to whoever looks. */
export function describeScope(regions: Record<string, Pick<RegionFacts, 'secrets'>>): string {
  const [whole, replicas] = [false, true].map(only =>
    Object.entries(regions)
      .filter(([, { secrets }]) => only === ('is' in secrets && secrets.is === 'replicas'))
      .map(([region]) => region)
      .sort()
      .join(', '),
  )
  const alone = replicas ? `; in ${replicas} at replicas alone` : ''
  return `Looked at: ${whole}${alone}; no other Region. --regions names more.`
}
