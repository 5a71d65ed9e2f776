import type { RegionFacts } from './facts.ts'

/** Tells in a sentence which Regions were looked at, and that no other was. */
export function describeScope(regions: Record<string, Pick<RegionFacts, 'secrets'>>): string {
  const [whole, replicas] = [false, true].map(onlyReplicas =>
    Object.entries(regions)
      .filter(([, { secrets }]) => onlyReplicas === ('is' in secrets && secrets.is === 'replicas'))
      .map(([region]) => region)
      .sort()
      .join(', '),
  )
  const alone = replicas ? `; in ${replicas} at replicas alone` : ''
  return `Looked at: ${whole}${alone}; no other Region. --regions names more.`
}
