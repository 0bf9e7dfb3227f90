package local

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Certificate makes, or finds, the emulator's TLS certificate in dir and
// returns it with the path of the authority that clients must trust (ca_file).
// Entra's client library insists on TLS, even to a loopback address.
func Certificate(dir string, hosts ...string) (tls.Certificate, string, error) {
	ca, leaf, key := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key")
	if cert, err := tls.LoadX509KeyPair(leaf, key); err == nil && fits(cert, hosts) {
		if _, err := os.Stat(ca); err == nil {
			return cert, ca, nil
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return tls.Certificate{}, "", fmt.Errorf("make the directory of the certificate: %w", err)
	}
	authority, authorityKey, err := sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "Penstock local authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}, nil, nil)
	if err != nil {
		return tls.Certificate{}, "", err
	}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "Penstock emulator"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	server, serverKey, err := sign(template, authority, authorityKey)
	if err != nil {
		return tls.Certificate{}, "", err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		return tls.Certificate{}, "", fmt.Errorf("render the server's key: %w", err)
	}
	for _, file := range []struct {
		path, kind string
		der        []byte
		mode       os.FileMode
	}{{ca, "CERTIFICATE", authority.Raw, 0o644}, {leaf, "CERTIFICATE", server.Raw, 0o644}, {key, "PRIVATE KEY", keyDER, 0o600}} {
		if err := os.WriteFile(file.path, pem.EncodeToMemory(&pem.Block{Type: file.kind, Bytes: file.der}), file.mode); err != nil {
			return tls.Certificate{}, "", fmt.Errorf("store the certificate: %w", err)
		}
	}
	cert, err := tls.LoadX509KeyPair(leaf, key)
	return cert, ca, err
}

// fits tells whether a certificate found serves these hosts for another month.
func fits(cert tls.Certificate, hosts []string) bool {
	if cert.Leaf == nil || time.Until(cert.Leaf.NotAfter) < 30*24*time.Hour {
		return false
	}
	for _, host := range hosts {
		if cert.Leaf.VerifyHostname(host) != nil {
			return false
		}
	}
	return true
}

func sign(template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, fmt.Errorf("make a serial number: %w", err)
	}
	template.SerialNumber = serial
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().AddDate(2, 0, 0)
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, nil, fmt.Errorf("sign a certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	return cert, key, err
}
