package v1alpha1

// WindowsBuild returns the build of Windows that the images of an AMI family have, as nodes tell it in the label
// node.kubernetes.io/windows-build; "" for a family that is not Windows.
func WindowsBuild(family string) string {
	switch family {
	case AMIFamilyWindows2019:
		return "10.0.17763"
	case AMIFamilyWindows2022:
		return "10.0.20348"
	case AMIFamilyWindows2025:
		return "10.0.26100"
	default:
		return ""
	}
}

// IsWindows reports whether the images of an AMI family are Windows.
func IsWindows(family string) bool { return WindowsBuild(family) != "" }
