package world

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The Kubernetes minors with images, and those where a family ends or begins.
const (
	firstMinor       = 25
	lastMinor        = 36
	lastAL2Minor     = 32
	firstWindows2025 = 35
)

// The real accounts that own such images; the images themselves are made up.
const (
	eksOwner          = "602401143452"
	bottlerocketOwner = "092701018921"
	windowsOwner      = "801119661308"
	canonicalOwner    = "099720109477"
	amazonAlias       = "amazon"
)

const (
	x86_64 = "x86_64"
	arm64  = "arm64"
)

// release is one publication of a family; the last one is what "recommended" and "latest" name.
type release struct {
	version      string // of EKS images
	bottlerocket string
	ubuntu       string
	windows      string
	published    time.Time
}

func releases() []release {
	return []release{
		{"v20260318", "1.55.0-5a7c1d3e", "20260312", "2026.03.11", time.Date(2026, 3, 18, 19, 0, 0, 0, time.UTC)},
		{"v20260520", "1.58.0-9b04e2f6", "20260514", "2026.05.13", time.Date(2026, 5, 20, 19, 0, 0, 0, time.UTC)},
	}
}

// variant is one image of a family for one Kubernetes minor: its name, and where its id is published.
type variant struct {
	name       string
	parameters []string // without the latest one
	latest     string   // the parameter of the newest release
	arch       string
	owner      string
	alias      string
	platform   string
	volumes    []ImageVolume
}

// publishedImages are the images that AWS, Canonical and their SSM parameters would offer. AWS deprecates an image two years after publication.
func publishedImages(region string) ([]Image, []Parameter) {
	var images []Image
	var parameters []Parameter
	for minor := firstMinor; minor <= lastMinor; minor++ {
		for version, r := range releases() {
			newest := version == len(releases())-1
			for _, v := range variants(minor, r) {
				image := Image{
					ID:           stableID("ami", region, v.name),
					Name:         v.name,
					Description:  "Made up by kerf's AWS simulator; no such image exists. " + v.name,
					Architecture: v.arch, OwnerID: v.owner, OwnerAlias: v.alias, Platform: v.platform,
					Created: r.published, Deprecated: r.published.AddDate(2, 0, 0),
					RootDevice: v.volumes[0].Device, Volumes: v.volumes, Tags: Tags{},
				}
				images = append(images, image)
				names := v.parameters
				if newest {
					names = append([]string{v.latest}, names...)
				}
				for _, name := range names {
					published := 1
					if name == v.latest {
						published = version + 1
					}
					parameters = append(parameters, Parameter{Name: name, Value: image.ID, Version: published, Modified: r.published})
				}
			}
		}
	}
	return images, parameters
}

func variants(minor int, r release) []variant {
	var all []variant
	for _, family := range []func(int, release) []variant{al2, al2023, bottlerocket, windows, ubuntu} {
		all = append(all, family(minor, r)...)
	}
	return all
}

func kubernetes(minor int) string { return "1." + strconv.Itoa(minor) }

func al2(minor int, r release) []variant {
	if minor > lastAL2Minor {
		return nil
	}
	k := kubernetes(minor)
	var all []variant
	for _, kind := range []struct{ path, name, arch string }{
		{"amazon-linux-2", "amazon-eks-node", x86_64},
		{"amazon-linux-2-arm64", "amazon-eks-arm64-node", arm64},
		{"amazon-linux-2-gpu", "amazon-eks-gpu-node", x86_64},
	} {
		base := fmt.Sprintf("/aws/service/eks/optimized-ami/%s/%s/", k, kind.path)
		name := fmt.Sprintf("%s-%s-%s", kind.name, k, r.version)
		all = append(all, variant{
			name: name, arch: kind.arch, owner: eksOwner, alias: amazonAlias, volumes: []ImageVolume{{"/dev/xvda", 20}},
			latest: base + "recommended/image_id", parameters: []string{base + name + "/image_id"},
		})
	}
	return all
}

func al2023(minor int, r release) []variant {
	k := kubernetes(minor)
	var all []variant
	for _, kind := range []struct{ arch, variant string }{
		{x86_64, "standard"}, {x86_64, "nvidia"}, {x86_64, "neuron"}, {arm64, "standard"}, {arm64, "nvidia"},
	} {
		base := fmt.Sprintf("/aws/service/eks/optimized-ami/%s/amazon-linux-2023/%s/%s/", k, kind.arch, kind.variant)
		name := fmt.Sprintf("amazon-eks-node-al2023-%s-%s-%s-%s", kind.arch, kind.variant, k, r.version)
		all = append(all, variant{
			name: name, arch: kind.arch, owner: eksOwner, alias: amazonAlias, volumes: []ImageVolume{{"/dev/xvda", 20}},
			latest: base + "recommended/image_id", parameters: []string{base + name + "/image_id"},
		})
	}
	return all
}

func bottlerocket(minor int, r release) []variant {
	var all []variant
	for _, flavour := range []string{"", "-nvidia"} {
		for _, arch := range []string{x86_64, arm64} {
			kind := "aws-k8s-" + kubernetes(minor) + flavour
			base := fmt.Sprintf("/aws/service/bottlerocket/%s/%s/", kind, arch)
			short, _, _ := strings.Cut(r.bottlerocket, "-")
			all = append(all, variant{
				name: fmt.Sprintf("bottlerocket-%s-%s-v%s", kind, arch, r.bottlerocket),
				arch: arch, owner: bottlerocketOwner, alias: amazonAlias, volumes: []ImageVolume{{"/dev/xvda", 4}, {"/dev/xvdb", 20}},
				latest: base + "latest/image_id", parameters: []string{base + r.bottlerocket + "/image_id", base + short + "/image_id"},
			})
		}
	}
	return all
}

func windows(minor int, r release) []variant {
	years := []string{"2019", "2022"}
	if minor >= firstWindows2025 {
		years = append(years, "2025")
	}
	var all []variant
	for _, year := range years {
		base := fmt.Sprintf("Windows_Server-%s-English-Core-EKS_Optimized-%s", year, kubernetes(minor))
		all = append(all, variant{
			name: base + "-" + r.windows, arch: x86_64, owner: windowsOwner, alias: amazonAlias, platform: "windows",
			volumes: []ImageVolume{{"/dev/sda1", 50}},
			latest:  "/aws/service/ami-windows-latest/" + base + "/image_id",
		})
	}
	return all
}

func ubuntu(minor int, r release) []variant {
	var all []variant
	for _, kind := range []struct{ parameter, arch string }{{"amd64", x86_64}, {"arm64", arm64}} {
		base := fmt.Sprintf("/aws/service/canonical/ubuntu/eks/20.04/%s/stable/", kubernetes(minor))
		all = append(all, variant{
			name: fmt.Sprintf("ubuntu-eks/k8s_%s/images/hvm-ssd/ubuntu-focal-20.04-%s-server-%s", kubernetes(minor), kind.parameter, r.ubuntu),
			arch: kind.arch, owner: canonicalOwner, volumes: []ImageVolume{{"/dev/sda1", 20}},
			latest:     base + "current/" + kind.parameter + "/hvm/ebs-gp2/ami-id",
			parameters: []string{base + r.ubuntu + "/" + kind.parameter + "/hvm/ebs-gp2/ami-id"},
		})
	}
	return all
}
