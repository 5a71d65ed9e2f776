import dns from 'node:dns'
import type { PeerCertificate } from 'node:tls'
import { expect, test, vi } from 'vitest'
import { type EngineSubject, withChange } from './engine.ts'

/**
 * One test: an engine passes each certificate whose issuer is trusted to `onCertificate`, and this changes nothing about
 * which certificates the engine trusts.
 */
export function certificateContract(subject: EngineSubject): void {
  test('onCertificate gets a certificate whose issuer is trusted, whichever host it is for', async () => {
    const { current } = await subject.makeApp()
    const here = { address: '127.0.0.1', family: 4 }
    const lookup = (_: string, { all }: dns.LookupOptions, done: (...result: unknown[]) => void) =>
      all ? done(null, [here]) : done(null, here.address, here.family)
    const seen: PeerCertificate[] = []
    const onCertificate = (certificate: PeerCertificate) => seen.push(certificate)
    const engine = subject.engine({ onCertificate })
    {
      await using _ = await engine.login(current)
    }
    expect(seen).not.toEqual([])
    for (const { valid_to, fingerprint256 } of seen) {
      expect(Date.parse(valid_to)).toBeGreaterThan(Date.now())
      expect(fingerprint256).toBe(seen[0]?.fingerprint256)
    }
    vi.spyOn(dns, 'lookup').mockImplementation(lookup as typeof dns.lookup)
    const before = seen.length
    const refused = { name: 'TlsFailed' }
    await expect(engine.login(withChange(current, { host: 'elsewhere.test' }))).rejects.toMatchObject(refused)
    expect(seen.slice(before).map(({ fingerprint256 }) => fingerprint256)).toEqual([seen[0]?.fingerprint256])
    vi.restoreAllMocks()
    const strange = subject.engine({ caFile: subject.strangeCaFile, onCertificate })
    await expect(strange.login(current)).rejects.toMatchObject(refused)
    expect(seen).toHaveLength(before + 1)
  })
}
